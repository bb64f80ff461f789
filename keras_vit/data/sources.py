"""Data sets by name, and from a folder."""

import importlib.resources
import os
import pathlib
import re

import numpy as np

from keras_vit.data.dataset import Dataset
from keras_vit.data.images import SUFFIXES
from keras_vit.data.splits import Files, Split


def load(name):
    """Loads a data set.

    Args:
        name: a key of `SOURCES`, or the path of a folder with `train` and
            `test` (or `val`) in it, and in each of them a folder for each
            class, named as the class and holding its images.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if there is none of that name, or the folder is not so.
        OSError: if its files can neither be found nor downloaded.

    Example:

    >>> load("fashion_mnist_sample").train.images.shape
    (12000, 28, 28, 3)
    """
    if name in SOURCES:
        return SOURCES[name]()
    if pathlib.Path(name).is_dir():
        return _folder(pathlib.Path(name))
    raise ValueError(
        f"Unknown data set. Expected one of {', '.join(SOURCES)}, or the path of a "
        f"folder with train/ and test/ in it. Received: {name!r}"
    )


def _folder(path):
    """A folder of folders of images, the inner ones named as their classes."""
    train = path / "train"
    test = next(
        (path / name for name in _TEST_FOLDERS if (path / name).is_dir()), path / "test"
    )
    for one in (train, test):
        if not one.is_dir():
            raise ValueError(f"{path} has no folder {one.name}/.")
    names = tuple(sorted((p.name for p in train.iterdir() if p.is_dir()), key=_natural))
    others = {p.name for p in test.iterdir() if p.is_dir()} - {*names}
    if others:
        raise ValueError(
            f"{test} has classes that {train} lacks: {', '.join(sorted(others))}"
        )
    return Dataset(str(path), _files(train, names), _files(test, names), names)


_TEST_FOLDERS = ("test", "val", "validation")


def _files(folder, names):
    paths, labels = [], []
    for label, name in enumerate(names):
        inside = folder / name
        found = sorted(os.scandir(inside), key=_name) if inside.is_dir() else []
        found = [one.path for one in found if one.name.lower().endswith(SUFFIXES)]
        paths += found
        labels += [label] * len(found)
    return Files(paths, np.array(labels, np.int32))


def _name(entry):
    return entry.name


def _natural(name):
    """So that class 10 follows class 9."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def _fashion_mnist_sample():
    """12,000 and 2,000 images of Fashion-MNIST, which come with the package."""
    folder = importlib.resources.files("keras_vit.data") / "fashion_mnist_sample"
    with (folder / "fashion_mnist_sample.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        train, test = (
            _rgb(arrays[f"{split}_images"], arrays[f"{split}_labels"])
            for split in ("train", "test")
        )
    return Dataset("fashion_mnist_sample", train, test, FASHION_MNIST_CLASSES)


def _of_keras(name, class_names, files):
    """Gives what loads a whole data set by Keras, which downloads it."""

    def load_it():
        import keras

        try:
            train, test = getattr(keras.datasets, name).load_data()
        except Exception as error:  # of urllib, of a cut file: Keras lets all through
            home = os.environ.get("KERAS_HOME") or "~/.keras"
            raise OSError(
                f"{name} could be neither found nor downloaded. Put {files} into "
                f"{home}/datasets, or name a folder of images, or use "
                f"fashion_mnist_sample, which needs no network. Received: {error}"
            ) from error
        return Dataset(name, _rgb(*train), _rgb(*test), class_names)

    return load_it


def _rgb(images, labels):
    """Images as RGB, grey ones too."""
    if images.ndim == 3:
        images = np.repeat(images[..., np.newaxis], 3, axis=-1)
    return Split(images, labels.reshape(-1).astype(np.int32))


SOURCES = {
    "fashion_mnist_sample": _fashion_mnist_sample,
    "fashion_mnist": _of_keras(
        "fashion_mnist",
        FASHION_MNIST_CLASSES,
        "its four *-ubyte.gz files, in a folder fashion-mnist,",
    ),
    "cifar10": _of_keras("cifar10", CIFAR10_CLASSES, "its cifar-10-batches-py folder"),
}
