"""Steps of a hybrid with batch normalisation, in a process of their own.

    python -m support.training.batch_norm_run OUT.npz REPLICAS

Three steps see smaller images, three the model's. Writes all weights and the losses.
"""

import sys

import numpy as np
import tensorflow as tf

out, replicas = sys.argv[1], int(sys.argv[2])
[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * replicas
)

from keras_vit import distribution, layers, model  # noqa: E402
from keras_vit.training.optimizers import SGD, Optimizer  # noqa: E402
from keras_vit.training.progressive_sizes import SmallerModel  # noqa: E402
from keras_vit.training.schedules import LearningRate  # noqa: E402
from keras_vit.training.step import TrainingState, training_step  # noqa: E402
from keras_vit.training.tasks.classification import supervised  # noqa: E402

BATCH = 24
strategy = distribution.strategy("one" if replicas == 1 else "mirrored")


def values(images):
    """An array, or its share for each replica."""
    if replicas == 1:
        return tf.constant(images)
    parts = np.split(images, replicas)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )


with strategy.scope():
    network = model.ViT(
        image_size=32,
        stem=layers.BasicResNetStem((1, 1), 0.25),
        patch_size=1,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        pooling="gap",
        num_classes=5,
    )
    rng = np.random.default_rng(1)
    for weight in network.trainable_variables:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    optimizer = Optimizer(network.trainable_variables, SGD(), LearningRate(0.02, 6))
    state = TrainingState(network, optimizer)
    steps = [
        training_step(state, supervised(one), strategy, global_batch=BATCH)
        for one in (SmallerModel(network, 16), network)
    ]

losses = []
for number in range(6):
    images = rng.integers(0, 256, (BATCH, 32, 32, 3)).astype("float32")
    images += np.arange(BATCH)[:, None, None, None]  # halves of other statistics
    targets = np.eye(5, dtype="float32")[rng.integers(0, 5, BATCH)]
    numbers = steps[number >= 3](values(images), values(targets))
    losses.append(float(numbers["loss"]))
np.savez(out, losses=losses, **{w.path.replace("/", " "): w for w in network.weights})
