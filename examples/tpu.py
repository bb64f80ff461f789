"""Train on the devices found: a TPU such as Colab's, GPUs, or the CPU.

    python examples/tpu.py
    python examples/tpu.py --recipe=finetune --dataset=photos epochs=10

On Colab choose a TPU in "Change runtime type", and install TensorFlow for it first:

    !pip install tensorflow-tpu==2.20.0 keras-vision-transformer

Set here is what differs between devices: the strategy, the precision (a TPU's units
and newer GPUs multiply in bfloat16; weights stay float32) and the batch, of which each
core or GPU has the same share at every step, so that XLA compiles one shape. What is
learnt does not differ: the learning rate is for the whole batch. Prints what was found
and what came of it:

    CPU, strategy one: 1 x 64 images a step in float32
    test accuracy 86.6 %

**No TPU was at hand**: on one this is untested. It was run on a CPU, where it is also
tested that a step compiles by XLA with static shapes.
"""

import argparse
import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

import keras_vit
from keras_vit import distribution, recipes

PRECISION = {"TPU": "mixed_bfloat16", "GPU": "mixed_bfloat16", "CPU": "float32"}


def found():
    """The kind of device there is, and the name of the strategy that takes it."""
    if os.environ.get("TPU_NAME"):  # of Google Cloud
        return "TPU", f"tpu:{os.environ['TPU_NAME']}"
    if importlib.util.find_spec("libtpu"):  # which comes with tensorflow-tpu
        return "TPU", "tpu:local"
    gpus = len(tf.config.list_physical_devices("GPU"))
    return "GPU" if gpus else "CPU", "mirrored" if gpus > 1 else "one"


def main(
    recipe: str = "fashion_mnist",
    dataset: str | None = None,
    settings: Sequence[str] = (),
):
    """Train by a recipe on all devices, and return the run."""
    device, name = found()
    strategy = distribution.strategy(name)  # before anything else of TensorFlow
    replicas = strategy.num_replicas_in_sync
    chosen = recipes.get(recipe)
    share = -(-chosen.run.batch_size // replicas)  # rounded up: all shares are equal
    told: dict[str, Any] = {
        "precision": PRECISION[device],
        "batch_size": share * replicas,
    }
    told |= recipes.read_settings(settings)
    print(
        f"{device}, strategy {name}: {replicas} x {told['batch_size'] // replicas} "
        f"images a step in {told['precision']}",
        flush=True,
    )
    run = keras_vit.train(
        chosen,
        dataset=dataset,
        strategy=strategy,
        name=f"{recipe.replace('/', '-')}-{device.lower()}",
        **told,
    )
    print(f"test accuracy {100 * run.evaluation.accuracy:.1f} %")
    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", nargs="*", help="of the recipe, as key=value")
    parser.add_argument("--recipe", default="fashion_mnist")
    parser.add_argument("--dataset", help="in place of the recipe's own")
    main(**vars(parser.parse_args()))
