"""What a data set is: splits of images and labels, and the classes' names."""

import re
from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Split:
    """Images in memory and what they show.

    Attributes:
        images: RGB pixels in [0, 255], uint8 or float32, `(N, H, W, 3)`.
        labels: the class of each, an integer array of shape `(N,)`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        images = self.images
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
        _check_labels(self.labels, len(images))

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        """One image, `(H, W, 3)`, as an array."""
        return self.images[index]

    def subset(self, indices):
        """The split of those images alone."""
        return Split(self.images[indices], self.labels[indices])

    def reader(self):
        """Gives the graph's way to an image: `read(index, window=None)`.

        `window` is a function of height and width that chooses what is cut
        out: top, left, height and width.
        """
        images = tf.constant(self.images)

        def read(index, window=None):
            image = tf.gather(images, index)
            if window is None:
                return image
            top, left, height, width = window(*image.shape[:2])
            return image[top : top + height, left : left + width]

        return read


@dataclass(frozen=True)
class Files:
    """Image files and what they show. A split, as `Split` is.

    Attributes:
        paths: of JPEG, PNG, BMP or GIF files, `(N,)`.
        labels: the class of each, an integer array of shape `(N,)`.
    """

    paths: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        _check_labels(self.labels, len(self.paths))

    def __len__(self):
        return len(self.labels)

    def image(self, index):
        """One image, `(H, W, 3)`, as an array."""
        return self.reader()(tf.constant(index)).numpy()

    def subset(self, indices):
        """The split of those files alone."""
        return Files(self.paths[indices], self.labels[indices])

    def reader(self):
        """Gives the graph's way to an image, as `Split.reader` does.

        Of a JPEG only the window is decoded.
        """
        paths = tf.constant(self.paths)

        def read(index, window=None):
            data = tf.io.read_file(tf.gather(paths, index))
            if window is None:
                return tf.io.decode_image(data, channels=3, expand_animations=False)
            return tf.cond(
                tf.io.is_jpeg(data),
                lambda: _decode_jpeg(data, window),
                lambda: _decode_other(data, window),
            )

        return read


@dataclass(frozen=True)
class Dataset:
    """Images to learn from, images to be tested on, and the classes' names.

    `train` and `test` are splits: `Split`, `Files`, or what has their methods.

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

    def part(self, name):
        """Gives a split, or a share of one, as TensorFlow Datasets writes it.

        A share is cut from the split in an order that is shuffled once and
        for all, so that every class is in it.

        Args:
            name: `"train"`, `"test"`, or such as `"train[:98%]"`,
                `"train[98%:]"`, `"train[1000:2000]"`.

        Raises:
            ValueError: for a name that is none of these, or an empty share.

        Example:

        >>> len(data.load("fashion_mnist_sample").part("train[:98%]"))
        11760
        """
        found = _PART.fullmatch(name)
        if not found:
            raise ValueError(
                "Expected train or test, or a share such as train[:98%]. "
                f"Received: {name!r}"
            )
        split = {"train": self.train, "test": self.test}[found["split"]]
        if found["slice"] is None:
            return split
        first, last = (
            _place(found[side], len(split), default)
            for side, default in (("first", 0), ("last", len(split)))
        )
        order = np.random.default_rng(0).permutation(len(split))
        indices = np.sort(order[first:last])
        if not len(indices):
            raise ValueError(f"{name} of {self.name!r} is empty.")
        return split.subset(indices)


_PART = re.compile(
    r"(?P<split>train|test)"
    r"(?P<slice>\[(?P<first>\d+%?)?:(?P<last>\d+%?)?\])?"
)


def _place(text, count, default):
    if text is None:
        return default
    if text.endswith("%"):
        return round(count * int(text[:-1]) / 100)
    return int(text)


def _check_labels(labels, count):
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"Labels must be integers of shape ({count},), one an image. "
            f"Received: {labels.dtype} of shape {labels.shape}"
        )


def _decode_jpeg(data, window):
    height, width, _ = tf.unstack(tf.image.extract_jpeg_shape(data))
    cut = tf.stack(window(height, width))
    return tf.image.decode_and_crop_jpeg(data, cut, channels=3)


def _decode_other(data, window):
    image = tf.io.decode_image(data, channels=3, expand_animations=False)
    top, left, height, width = window(*tf.unstack(tf.shape(image)[:2]))
    return image[top : top + height, left : left + width]
