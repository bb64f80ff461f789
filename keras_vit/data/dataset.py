"""What a data set is: splits of images and labels, and the classes' names."""

import re
from dataclasses import dataclass

import numpy as np
import tensorflow as tf


class _Labelled:
    """What every split has by its labels."""

    def __len__(self):
        return len(self.labels)

    def targets(self, num_classes):
        """Gives the graph's way to a target: `(index) -> (K,)`, one- or multi-hot."""
        labels = tf.constant(self.labels)
        if self.labels.ndim == 2:
            return lambda index: tf.cast(tf.gather(labels, index), tf.float32)
        return lambda index: tf.one_hot(tf.gather(labels, index), num_classes)

    def check_classes(self, num_classes):
        """Refuses labels that are not of so many classes.

        Raises:
            ValueError: naming one of them.
        """
        labels = self.labels
        if labels.ndim == 2 and labels.shape[1] != num_classes:
            raise ValueError(
                f"Expected labels of {num_classes} classes. "
                f"Received: {labels.shape[1]} columns"
            )
        if labels.ndim == 1:
            wrong = labels[(labels < 0) | (labels >= num_classes)]
            if len(wrong):
                raise ValueError(
                    f"Labels must lie in [0, {num_classes}), the number of classes. "
                    f"Received: a label of {wrong[0]}"
                )


@dataclass(frozen=True)
class Split(_Labelled):
    """Images in memory and what they show.

    Attributes:
        images: RGB pixels in [0, 255], uint8 or float32, `(N, H, W, 3)`.
        labels: the class of each, integers of shape `(N,)`; or which of K
            classes each shows, zeros and ones of shape `(N, K)`.
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

    def image(self, index):
        """One image, `(H, W, 3)`, as an array."""
        return self.images[index]

    def name(self, index):
        """What people find an image by: its number."""
        return str(index)

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
class Files(_Labelled):
    """Image files and what they show. A split, as `Split` is.

    Attributes:
        paths: of JPEG, PNG, BMP or GIF files, `(N,)`.
        labels: the class of each, integers of shape `(N,)`; or which of K
            classes each shows, zeros and ones of shape `(N, K)`.
    """

    paths: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        _check_labels(self.labels, len(self.paths))

    def image(self, index):
        """One image, `(H, W, 3)`, as an array."""
        return self.reader()(tf.constant(index)).numpy()

    def name(self, index):
        """What people find an image by: its path."""
        return str(self.paths[index])

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
            split.check_classes(self.num_classes)

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
    one_each = labels.shape == (count,) and labels.dtype.kind in "iu"
    several = (
        labels.ndim == 2 and len(labels) == count and set(np.unique(labels)) <= {0, 1}
    )
    if not (one_each or several):
        raise ValueError(
            f"Labels must be integers of shape ({count},), one an image, or zeros and "
            f"ones of shape ({count}, classes). "
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
