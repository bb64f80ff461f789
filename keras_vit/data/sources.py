"""Data sets by name."""

import importlib.resources
import os
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Images and what they show.

    Attributes:
        images: RGB pixels in [0, 255], uint8 or float32, `(N, H, W, 3)`.
        labels: the class of each, an integer array of shape `(N,)`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        images, labels = self.images, self.labels
        known = images.dtype in (np.uint8, np.float32)
        if images.ndim != 4 or images.shape[-1] != 3 or not known:
            raise ValueError(
                "Images must be uint8 or float32 RGB pixels of shape (N, H, W, 3). "
                f"Received: {images.dtype} of shape {images.shape}"
            )
        if images.dtype == np.float32 and len(images) and images.max() <= 1:
            raise ValueError(
                "Pixels must lie in [0, 255]. "
                f"Received: none above {images.max()}; multiply them by 255"
            )
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(
                f"Labels must be integers of shape ({len(images)},), one an image. "
                f"Received: {labels.dtype} of shape {labels.shape}"
            )

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Images to learn from, images to be tested on, and the classes' names.

    Example:

    >>> pixels = np.zeros((4, 28, 28, 3), np.uint8)
    >>> split = Split(pixels, np.array([0, 1, 0, 1]))
    >>> Dataset("cats and dogs", split, split, ("cat", "dog")).num_classes
    2
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]

    def __post_init__(self):
        for split in (self.train, self.test):
            if not len(split):
                raise ValueError(f"The data set {self.name!r} has an empty split.")
            if split.labels.min() < 0 or split.labels.max() >= self.num_classes:
                raise ValueError(
                    f"Labels must lie in [0, {self.num_classes}), the number of class "
                    f"names. Received: labels from {split.labels.min()} to "
                    f"{split.labels.max()}"
                )

    @property
    def num_classes(self):
        return len(self.class_names)


def load(name):
    """Loads a data set.

    Args:
        name: a key of `SOURCES`.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if there is none of that name.
        OSError: if its files can neither be found nor downloaded.

    Example:

    >>> load("fashion_mnist_sample").train.images.shape
    (12000, 28, 28, 3)
    """
    if name not in SOURCES:
        raise ValueError(
            f"Unknown data set. Expected one of {', '.join(SOURCES)}. "
            f"Received: {name!r}"
        )
    return SOURCES[name]()


FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def _fashion_mnist_sample():
    """12,000 and 2,000 images of Fashion-MNIST, which come with the package."""
    folder = importlib.resources.files("keras_vit.data") / "fashion_mnist_sample"
    with (folder / "fashion_mnist_sample.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        train, test = (
            _grey(arrays[f"{split}_images"], arrays[f"{split}_labels"])
            for split in ("train", "test")
        )
    return Dataset("fashion_mnist_sample", train, test, FASHION_MNIST_CLASSES)


def _fashion_mnist():
    """The whole of Fashion-MNIST, 60,000 and 10,000 images, by Keras."""
    import keras

    try:
        train, test = keras.datasets.fashion_mnist.load_data()
    except Exception as error:  # of urllib, of a cut file: Keras lets all through
        home = os.environ.get("KERAS_HOME") or "~/.keras"
        raise OSError(
            "fashion_mnist could be neither found nor downloaded. Put its four "
            f"*-ubyte.gz files into {home}/datasets/fashion-mnist, or use "
            f"fashion_mnist_sample, which needs no network. Received: {error}"
        ) from error
    return Dataset("fashion_mnist", _grey(*train), _grey(*test), FASHION_MNIST_CLASSES)


def _grey(images, labels):
    """Grey images as RGB."""
    return Split(
        np.repeat(images[..., np.newaxis], 3, axis=-1), labels.astype(np.int32)
    )


SOURCES = {
    "fashion_mnist_sample": _fashion_mnist_sample,
    "fashion_mnist": _fashion_mnist,
}
