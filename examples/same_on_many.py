"""Train ten steps on one device and on two, and compare the weights.

    python examples/same_on_many.py

Two logical devices are made of the CPU, so that this runs anywhere; on a
machine with several GPUs, `strategy="mirrored"` takes those. Plain gradient
descent is used, since Adam would hide a gradient of the wrong scale.
"""

import pathlib
import tempfile

import numpy as np
import tensorflow as tf

import keras_vit


def main():
    """Train both ways and print the relative difference of all weights."""
    [cpu] = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    weights = {}
    for strategy in ("one", "mirrored"):
        with tempfile.TemporaryDirectory() as folder:
            run = keras_vit.train(
                "fashion_mnist",
                steps=10,
                optimizer="sgd",
                base_lr=0.1,
                warmup_steps=2,
                mixup=0.2,
                strategy=strategy,
                export=False,
                folder=pathlib.Path(folder) / "run",
            )
        weights[strategy] = [one.numpy() for one in run.model.trainable_variables]
    one, two = (np.concatenate([w.ravel() for w in ws]) for ws in weights.values())
    difference = np.linalg.norm(one - two) / np.linalg.norm(one)
    print(f"relative difference {difference:.1e}")


if __name__ == "__main__":
    main()
