"""Splits put together, with a row of probabilities for each image."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_vit.data.labelled import Labelled


@dataclass(frozen=True)
class Joined(Labelled):
    """Images of several splits and how likely each class is. A split itself.

    An image may be in it more than once, or not at all.

    Attributes:
        parts: splits of images of one dtype, which are numbered through.
        indices: which image of the parts stands at each place, `(M,)`.
        labels: of each place, probabilities `(M, K)` float32; one-hot where
            the class is known.

    Example:

    >>> from keras_vit.data import Split
    >>> one = Split(np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 1]))
    >>> Joined((one, one), np.array([1, 2]), np.eye(2, dtype=np.float32)).name(1)
    '0'
    """

    parts: tuple
    indices: np.ndarray
    labels: np.ndarray

    @property
    def several(self) -> bool:
        """Whether an image can have several classes: here never."""
        return False  # rows tell how sure one class is

    def image(self, index: int) -> np.ndarray:
        """Return one image, `(H, W, 3)`."""
        part, place = self._find(index)
        return part.image(place)

    def name(self, index: int) -> str:
        """Return what people find an image by: its name in its own split."""
        part, place = self._find(index)
        return part.name(place)

    def identity_bytes(self) -> Iterator[bytes]:
        """Yield bytes that distinguish the split from others: labels, its parts'."""
        yield from (self.labels.tobytes(), self.indices.tobytes())
        yield from itertools.chain(*(part.identity_bytes() for part in self.parts))

    def file_stats_bytes(self) -> Iterator[bytes]:
        """Yield bytes that change with the images: those of the parts."""
        yield from itertools.chain(*(part.file_stats_bytes() for part in self.parts))

    def image_hashes(self) -> np.ndarray:
        """Return a hash of each image by its bytes, as its part does, `(M,)`."""
        parts = [part.image_hashes() for part in self.parts]
        return np.concatenate(parts)[self.indices]

    def subset(self, indices: np.ndarray) -> "Joined":
        """Return the split of those places alone."""
        return Joined(self.parts, self.indices[indices], self.labels[indices])

    def targets(self, num_classes: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return a function for the graph: `(index) -> (K,)`, a row of labels."""
        with tf.device("CPU"):
            labels = tf.constant(self.labels, tf.float32)
        return lambda index: tf.gather(labels, index)

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph: `(index, window=None) -> image`."""
        ends = np.cumsum([len(part) for part in self.parts])
        readers = [part.reader() for part in self.parts]
        with tf.device("CPU"):
            indices = tf.constant(self.indices, tf.int64)

        def read(index, window=None):
            place = tf.gather(indices, index)
            number = tf.searchsorted(ends, [place], side="right")[0]
            starts = ends - [len(part) for part in self.parts]
            ways = [
                lambda one=one, start=start: one(place - start, window)
                for one, start in zip(readers, starts, strict=True)
            ]
            return tf.switch_case(number, ways)

        return read

    def _find(self, index):
        place = self.indices[index]
        for part in self.parts:
            if place < len(part):
                return part, place
            place -= len(part)
        raise IndexError(index)
