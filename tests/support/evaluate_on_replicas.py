"""An evaluation on two devices, in a process of its own.

    python -m support.evaluate_on_replicas MODEL.keras

Prints, as JSON, top-1, top-5, loss and confusion.
"""

import json
import sys

import tensorflow as tf

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)

from keras_vit import data, evaluate  # noqa: E402
from keras_vit.classifier import Classifier  # noqa: E402

model = Classifier.of(sys.argv[1]).model
split = data.load("fashion_mnist_sample").test
# 75, which two replicas do not divide, leaves a part of a batch of 2,000 images.
result = evaluate(model, split, batch_size=75, strategy="mirrored")
confusion = result.confusion.tolist()
print(json.dumps([result.top1, result.top5, result.loss, confusion]))
