"""Train a ViT whose weights are spread over several devices, by Keras on JAX.

    KERAS_BACKEND=jax python examples/model_parallel.py

For models that one device cannot hold, with the optimizer's moments: L, H, g and G.
Here a small one, on all devices that JAX finds. A CPU is eight devices, with threads
enough for sums over all of them, by

    XLA_FLAGS=--xla_force_host_platform_device_count=8 NPROC=64

Prints the share of weights and moments that a device holds, and what was learnt:

    8 devices: a batch in 2 parts, weights in 4; each holds 26% of the model
    test accuracy 48.3% after 100 steps
"""

import sys
from typing import Any

import keras

import keras_vit
from keras_vit import data


def build() -> keras.Model:
    """Return the model; called twice, the first time without weights."""
    return keras_vit.ViT(
        image_size=28,
        patch_size=4,
        num_layers=4,
        num_heads=4,
        hidden_dim=64,
        mlp_dim=256,
        num_classes=10,
    )


def held(variables: list[Any]) -> float:
    """Return the share of the bytes of variables that lie on one device."""
    one = sum(v.value.addressable_shards[0].data.nbytes for v in variables)
    return one / sum(v.value.nbytes for v in variables)


def main(steps: int = 100) -> tuple[keras.Model, float]:
    """Train for some steps, and return the model and its test accuracy."""
    devices = keras.distribution.list_devices()
    parts = max(n for n in (1, 2, 4) if len(devices) % n == 0)
    mesh = keras.distribution.DeviceMesh(
        (len(devices) // parts, parts), ("batch", "model"), devices
    )
    layouts = keras_vit.distribution.layout_map(build, mesh)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
    )
    model: Any = build()
    model.compile(
        keras.optimizers.AdamW(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    images = data.load("fashion_mnist_sample")
    count = steps * 64
    train, test = images.train, images.test
    model.fit(
        train.images[:count], train.labels[:count], batch_size=64, verbose=0
    )  # whole batches
    state = [*model.variables, *model.optimizer.variables]
    print(
        f"{len(devices)} devices: a batch in {len(devices) // parts} parts, weights in "
        f"{parts}; each holds {held(state):.0%} of the model"
    )
    count = len(test.labels) // 8 * 8
    _, accuracy = model.evaluate(test.images[:count], test.labels[:count], verbose=0)
    print(f"test accuracy {accuracy:.1%} after {steps} steps")
    return model, accuracy


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
