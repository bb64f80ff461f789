"""The scripts of `examples/` as modules, and little for them to train on."""

import dataclasses
import importlib.util
import pathlib

import numpy as np

from keras_vit import data, training

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def few():
    """Ten batches of the embedded images, and a hundred to evaluate on."""
    whole = data.load("fashion_mnist_sample")
    return dataclasses.replace(
        whole,
        train=whole.train.subset(np.arange(640)),
        test=whole.test.subset(np.arange(100)),
    )


def on_few_images(*arguments, dataset=None, **options):
    """Trains as `keras_vit.train` does, on few images, and without an export."""
    options |= {"dataset": dataset or few(), "export": False}
    return training.train(*arguments, **options)
