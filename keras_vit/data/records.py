"""Splits of records: images that are still encoded, and what they show."""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.data import decoding
from keras_vit.data.decoding import REFERENCE, decode
from keras_vit.data.holdout import content_hash
from keras_vit.data.images import UnreadableImageError
from keras_vit.data.labelled import Labelled
from keras_vit.data.tfrecord import RecordFiles
from keras_vit.data.unreadable import READING_ERRORS
from keras_vit.decoding import OF_OLD_FILES


@dataclass(frozen=True, eq=False)
class EncodedImages(Labelled):
    """Image files in records. A kind of split says what else a record has.

    Attributes:
        files: the `RecordFiles` they are in.
        indices: which records of the files, `(N,)`.
    """

    files: RecordFiles
    indices: np.ndarray

    # Shares are those of TensorFlow Datasets, which cuts the stored order.
    in_random_order = True
    white = 255  # of the values in the image files

    def __len__(self) -> int:
        return len(self.indices)

    def image_file(self, record: tf.Tensor) -> tf.Tensor:
        """Return the bytes of the image file in a record's data, in the graph."""
        raise NotImplementedError

    def name(self, index: int) -> str:
        """Return what people find an image by: a file, and the number of the record."""
        file, number = self.files.places(self.indices[index])
        return f"{os.path.basename(self.files.paths[file])}, record {number}"

    def image(self, index: int) -> np.ndarray:
        """Return one image, `(H, W, 3)`.

        Raises:
            UnreadableImageError: naming the record and saying why.
        """
        try:
            return self.subset(np.array([index])).reader()(tf.constant(0)).numpy()
        except READING_ERRORS as error:
            reason = decoding.reason_of(error)
            raise UnreadableImageError(f"{self.name(index)}: {reason}") from error

    def identity_bytes(self) -> Iterator[bytes]:
        """Yield bytes that distinguish the split from others: which records of what."""
        yield from (os.path.basename(path).encode() for path in self.files.paths)
        yield np.asarray(self.indices, np.int64).tobytes()

    def file_stats_bytes(self) -> Iterator[bytes]:
        """Yield bytes that change with the images: sizes and times of files."""
        for path in self.files.paths:
            found = tf.io.gfile.stat(path)
            yield np.array([found.length, found.mtime_nsec, self.white]).tobytes()

    def image_hashes(self) -> np.ndarray:
        """Return a hash of each image by its encoded bytes, uint64 `(N,)`.

        All records are read.

        Raises:
            OSError: if a record is damaged.
        """
        hashes = map(content_hash, self._each(self.image_file))
        return np.fromiter(hashes, np.uint64, len(self))

    def _each(self, part: Callable[[tf.Tensor], tf.Tensor]) -> Iterator[Any]:
        """Yield a part of each record, by a function of its data."""
        record = self._record
        parts = tf.data.Dataset.range(len(self)).map(
            lambda index: part(record(index)), num_parallel_calls=tf.data.AUTOTUNE
        )
        try:
            for batch in parts.batch(1024).as_numpy_iterator():
                yield from batch
        except tf.errors.DataLossError as error:
            raise OSError(
                "Expected records that agree with their checksums. Received: "
                f"{self._damaged()}, which is damaged. Prepare the data set again"
            ) from error

    def _damaged(self):
        """The name of the first record that is."""

        def readable(index):
            try:
                self._record(index)
            except tf.errors.DataLossError:
                return False
            return True

        index = next(i for i in range(len(self)) if not readable(i))
        return self.name(index)

    @functools.cached_property
    def _record(self):
        """A function for the graph: `(index) -> data of the record`."""
        return self.files.reader(self.indices)


@dataclass(frozen=True, eq=False)
class Records(EncodedImages):
    """Records of images and what they show. A split, as `Split` is.

    Nothing is read before it is asked for. Training reads what it trains on,
    in any order; `labels` reads all records of the split, once.

    Attributes:
        files: the `RecordFiles` they are in.
        indices: which records of the files, `(N,)`.
        parse: the graph's way from a record's data to an image file's bytes
            and a label below `num_classes`.
        num_classes: how many classes the labels tell apart.
        white: the value in the image files that stands for white.
    """

    parse: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    num_classes: int
    white: int = 255

    @property
    def several(self) -> bool:
        """Whether an image can have several classes: here never."""
        return False

    def image_file(self, record: tf.Tensor) -> tf.Tensor:
        """Return the bytes of the image file in a record's data, in the graph."""
        return self.parse(record)[0]

    def subset(self, indices: np.ndarray | Sequence[int]) -> "Records":
        """Return the split of those records alone."""
        return replace(self, indices=self.indices[indices])

    @functools.cached_property
    def labels(  # pyright: ignore[reportIncompatibleVariableOverride]  read when needed
        self,
    ) -> np.ndarray:
        """The class of each image, integers of shape `(N,)`.

        Raises:
            ValueError: if one is no class.
            OSError: if a record is damaged.
        """
        found = self._each(lambda record: self.parse(record)[1])
        labels = np.fromiter(found, np.int64, len(self))
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            raise ValueError(
                f"Labels must lie in [0, {self.num_classes}). "
                f"Received: {labels[wrong[0]]} in {self.name(wrong[0])}. Prepare the "
                "data set again"
            )
        return labels.astype(np.int32)

    def check_classes(self, num_classes: int) -> None:
        """Refuse classes that are more than so many.

        Raises:
            ValueError: saying how many there are.
        """
        if self.num_classes > num_classes:
            raise ValueError(
                f"Labels must lie in [0, {num_classes}), the number of classes. "
                f"Received: labels of {self.num_classes} classes"
            )

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph: `(index, window=None) -> image`.

        Of a JPEG only the window is decoded.
        """
        record = self._record
        return lambda index, window=None: self._image(
            self.image_file(record(index)), window
        )

    def targets(self, num_classes: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return a function for the graph: `(index) -> target (K,)`, one-hot."""
        record = self._record
        return lambda index: self._target(self.parse(record(index))[1], num_classes)

    def examples(
        self, num_classes: int
    ) -> Callable[[tf.Tensor], tuple[Callable[..., tf.Tensor], tf.Tensor]]:
        """Return a function for the graph: `(index) -> (image, target)`.

        A record is read, and parsed, once for both.
        """
        record = self._record

        def example(index):
            data, label = self.parse(record(index))
            image = functools.partial(self._image, data)
            return image, self._target(label, num_classes)

        return example

    def _image(self, data, window=None):
        # As the authors' pipelines decoded what TensorFlow Datasets holds.
        how: Any = {"transform": REFERENCE, "decoding": OF_OLD_FILES}
        image = decode(data, "a record", window, False, **how)
        if self.white == 255:
            return image
        return image * tf.cast(255 // self.white, image.dtype)

    def _target(self, label, num_classes):
        known = (label >= 0) & (label < self.num_classes)
        check = tf.debugging.Assert(known, ["A record has the label", label])
        with tf.control_dependencies([check]):
            return tf.one_hot(label, num_classes)
