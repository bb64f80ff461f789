"""Splits of images in memory and in image files."""

import copy
import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_vit.data.array_range import check_pixels
from keras_vit.data.decoding import decode_now, reader
from keras_vit.data.holdout import content_hash
from keras_vit.data.labelled import Labelled as Labelled
from keras_vit.decoding import MAX_PIXELS, OF_OLD_FILES, Decoding


@dataclass(frozen=True)
class Split(Labelled):
    """Images in memory and what they show.

    Attributes:
        images: RGB pixels in [0, 255], uint8 or float32, `(N, H, W, 3)`.
        labels: the class of each, integers of shape `(N,)`; or which of K
            classes each shows, zeros and ones of shape `(N, K)`.
        decoding: how files of such images are to be read.
    """

    images: np.ndarray = dataclasses.field()
    labels: np.ndarray = dataclasses.field()
    decoding: Decoding = Decoding()

    def __post_init__(self) -> None:
        images = self.images
        if images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(
                "Images must be uint8 or float32 RGB pixels of shape (N, H, W, 3). "
                f"Received: {images.dtype} of shape {images.shape}"
            )
        check_pixels(images)
        _check_labels(self.labels, len(images))

    def image(self, index: int) -> np.ndarray:
        """Return one image, `(H, W, 3)`."""
        return self.images[index]

    def name(self, index: int) -> str:
        """Return what people find an image by: its number."""
        return str(index)

    def identity_bytes(self) -> Iterator[bytes]:
        """Yield bytes that distinguish the split from others: labels, some images."""
        some = self.images[:: len(self) // 1000 + 1]
        yield from (self.labels.tobytes(), repr(self.images.shape).encode())
        yield some.tobytes()

    def file_stats_bytes(self) -> Iterator[bytes]:
        """Yield bytes that change with the images: all pixels."""
        for start in range(0, len(self), 1000):
            yield self.images[start : start + 1000].tobytes()

    def image_hashes(self) -> np.ndarray:
        """Return a hash of each image by its pixels, uint64 `(N,)`."""
        hashes = (content_hash(image.tobytes()) for image in self.images)
        return np.fromiter(hashes, np.uint64, len(self))

    def subset(self, indices: np.ndarray) -> "Split":
        """Return the split of those images alone."""
        part = copy.copy(self)  # its pixels were looked at, all together
        object.__setattr__(part, "images", self.images[indices])
        object.__setattr__(part, "labels", self.labels[indices])
        return part

    def batch_reader(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Return a function for the graph: `(indices) -> images`."""
        with tf.device("CPU"):
            images = tf.constant(self.images)
        return lambda indices: tf.gather(images, indices)

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph: `(index, window=None) -> image`."""
        with tf.device("CPU"):
            images = tf.constant(self.images)

        def read(index, window=None):
            image = tf.gather(images, index)
            if window is None:
                return image
            top, left, height, width = window(*image.shape[:2])
            return image[top : top + height, left : left + width]

        return read


@dataclass(frozen=True)
class Files(Labelled):
    """Image files and what they show. A split, as `Split` is.

    Attributes:
        paths: of image files, `(N,)`, JPEG, PNG or whatever else Pillow reads.
            Given as any sequence of paths; kept as an array of bytes.
        labels: the class of each, integers of shape `(N,)`; or which of K
            classes each shows, zeros and ones of shape `(N, K)`.
        exif_orientation: whether the cameras' notes on the orientation count.
        groups: the name of each one's group, bytes `(N,)`, or `None`.
        decoding: how samples become pixels.

    Example:

    >>> Files(["cat.jpg", "dog.png"], np.array([0, 1])).name(1)
    'dog.png'
    """

    paths: np.ndarray = dataclasses.field()
    labels: np.ndarray = dataclasses.field()
    exif_orientation: bool = True
    groups: np.ndarray | None = None
    decoding: Decoding = Decoding()

    def __post_init__(self) -> None:
        paths = self.paths
        if not (isinstance(paths, np.ndarray) and paths.dtype.kind == "S"):
            paths = np.array([os.fsencode(path) for path in paths], np.bytes_)
            object.__setattr__(self, "paths", paths)
        _check_labels(self.labels, len(paths))

    def image(self, index: int) -> np.ndarray:
        """Return one image, `(H, W, 3)`.

        Raises:
            UnreadableImageError: naming the file and saying why.
        """
        return decode_now(self.paths[index], self.exif_orientation, self.decoding)

    def name(self, index: int) -> str:
        """Return what people find an image by: its path."""
        return os.fsdecode(self.paths[index])

    def identity_bytes(self) -> Iterator[bytes]:
        """Yield bytes that distinguish the split from others: paths and labels."""
        yield from (self.labels.tobytes(), bytes([self.exif_orientation]))
        yield self.paths.tobytes()
        read_as = dataclasses.replace(self.decoding, max_pixels=MAX_PIXELS)
        if read_as != OF_OLD_FILES:
            yield json.dumps(read_as.as_json()).encode()

    def file_stats_bytes(self) -> Iterator[bytes]:
        """Yield bytes that change with the images: sizes and times of files."""
        for path in self.paths:
            found = os.stat(path)
            yield np.array([found.st_size, found.st_mtime_ns]).tobytes()

    def image_hashes(self) -> np.ndarray:
        """Return a hash of each image by its file's bytes, uint64 `(N,)`.

        All files are read. One that cannot be is hashed by its path.
        """
        parts = np.array_split(self.paths, len(self) // _AT_ONCE + 1)
        with ThreadPoolExecutor() as threads:
            return np.concatenate([*threads.map(_hashes_of_files, parts)])

    def subset(self, indices: np.ndarray) -> "Files":
        """Return the split of those files alone."""
        groups = None if self.groups is None else self.groups[indices]
        return dataclasses.replace(
            self, paths=self.paths[indices], labels=self.labels[indices], groups=groups
        )

    def decoded(self, decoding: Decoding) -> "Files":
        """Return the split with its files read in another way."""
        return dataclasses.replace(self, decoding=decoding)

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph: `keras_vit.data.decoding.reader`."""
        return self._reader

    @functools.cached_property
    def _reader(self):
        return reader(self.paths, self.exif_orientation, self.decoding)


_AT_ONCE = 256  # files that a thread reads, one after the other


def _hashes_of_files(paths):
    return np.fromiter(map(_hash_of_file, paths), np.uint64, len(paths))


def _hash_of_file(path):
    try:
        with open(path, "rb") as file:
            return content_hash(file.read())
    except OSError:  # reported where the image is used
        return content_hash(bytes(path))


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
