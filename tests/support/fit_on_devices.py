"""`fit` of a small ViT on JAX's simulated devices: cases in, losses and bytes out.

    python -m support.fit_on_devices CASES

CASES: JSON, a list of dicts: `model`, arguments of `tiny_vit`; `mesh`, the lengths of
the axes `batch` and `model`, "data" for `DataParallel`, or null for one device.
"""

import json
import os
import sys

os.environ["XLA_FLAGS"] = " ".join(
    [
        "--xla_force_host_platform_device_count=8",
        "--xla_backend_optimization_level=0",  # which takes longer than ten steps
    ]
)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["NPROC"] = "64"  # threads: with one a device, sums over devices can deadlock

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_vit.distribution import layout_map  # noqa: E402
from keras_vit.layers import ResNetStem  # noqa: E402
from support.models import tiny_vit  # noqa: E402

STEPS = 10


class Losses(keras.callbacks.Callback):
    """The loss of each step: an epoch is one."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_epoch_end(self, epoch, logs=None):
        self.values.append(float(logs["loss"]))


def builder(arguments):
    """A function that builds the model: `stem` stands for a small one."""

    def build():
        hybrid = {}
        if arguments.get("stem"):
            hybrid = {"stem": ResNetStem((1,), 0.5), "patch_size": 1}
        return tiny_vit(**arguments | hybrid)

    return build


def distribution_of(mesh, build):
    if mesh is None:
        return None
    if mesh == "data":
        return keras.distribution.DataParallel()
    devices = keras.distribution.DeviceMesh(mesh, ("batch", "model"))
    return keras.distribution.ModelParallel(layout_map=layout_map(build, devices))


def largest_share(variables):
    """Bytes that lie on the device which has most of them."""
    shares = {}
    for variable in variables:
        for shard in variable.value.addressable_shards:
            shares[shard.device.id] = shares.get(shard.device.id, 0) + shard.data.nbytes
    return max(shares.values())


def fitted(model, mesh):
    build = builder(model)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 16, 24, 3)).astype("uint8")
    labels = rng.integers(0, 8, 16)
    keras.distribution.set_distribution(distribution_of(mesh, build))
    built = build()
    built.compile(
        keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = Losses()
    built.fit(
        images, labels, batch_size=16, epochs=STEPS, verbose=0, callbacks=[losses]
    )
    keras.distribution.set_distribution(None)
    return {
        "losses": losses.values,
        "weights": largest_share(built.weights),
        "slots": largest_share(built.optimizer.variables),
    }


if __name__ == "__main__":
    print(json.dumps([fitted(**case) for case in json.loads(sys.argv[1])]))
