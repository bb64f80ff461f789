"""A split of records: images that are still encoded, and what they show."""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from keras_vit import compat
from keras_vit.data import decoding
from keras_vit.data.decoding import REFERENCE, decode
from keras_vit.data.holdout import content_hash
from keras_vit.data.images import UnreadableImageError
from keras_vit.data.splits import Labelled
from keras_vit.data.tfrecord import RecordFiles
from keras_vit.data.unreadable import READING_ERRORS
from keras_vit.decoding import OF_OLD_FILES


@dataclass(frozen=True, eq=False)
class Records(Labelled):
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

    files: RecordFiles
    indices: np.ndarray
    parse: Callable
    num_classes: int
    white: int = 255

    # Shares are those of TensorFlow Datasets, which cuts the stored order.
    in_random_order = True

    @property
    def several(self) -> bool:
        """Whether an image can have several classes: here never."""
        return False

    def __len__(self) -> int:
        return len(self.indices)

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
            return self.subset([index]).reader()(tf.constant(0)).numpy()
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
        hashes = map(content_hash, self._each(0))
        return np.fromiter(hashes, np.uint64, len(self))

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
        labels = np.fromiter(self._each(1), np.int64, len(self))
        wrong = np.flatnonzero((labels < 0) | (labels >= self.num_classes))
        if len(wrong):
            raise ValueError(
                f"Labels must lie in [0, {self.num_classes}). "
                f"Received: {labels[wrong[0]]} in {self.name(wrong[0])}. Prepare the "
                "data set again"
            )
        return labels.astype(np.int32)

    def _each(self, part):
        """Yield what each record has as its image file (0), or as its label (1)."""
        example = self._examples()
        parts = tf.data.Dataset.range(len(self)).map(
            lambda index: example(index)[part], num_parallel_calls=tf.data.AUTOTUNE
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
                self._read(index)
            except tf.errors.DataLossError:
                return False
            return True

        index = next(i for i in range(len(self)) if not readable(i))
        return self.name(index)

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

    def targets(self, num_classes: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return a function for the graph: `(index) -> target (K,)`, one-hot."""
        example = self._examples()

        def target(index):
            label = example(index)[1]
            known = (label >= 0) & (label < self.num_classes)
            check = tf.debugging.Assert(known, ["A record has the label", label])
            with tf.control_dependencies([check]):
                return tf.one_hot(label, num_classes)

        return target

    def reader(self) -> Callable[..., tf.Tensor]:
        """Return a function for the graph, as `Split.reader` does.

        Of a JPEG only the window is decoded.
        """
        example = self._examples()

        def read(index, window=None):
            data = example(index)[0]
            # As the authors' pipelines decoded what TensorFlow Datasets holds.
            image = decode(
                data,
                "a record",
                window,
                False,
                transform=REFERENCE,
                decoding=OF_OLD_FILES,
            )
            if self.white == 255:
                return image
            return image * tf.cast(255 // self.white, image.dtype)

        return read

    @functools.cached_property
    def _read(self):
        return self.files.reader(self.indices)

    def _examples(self):
        """Return a function for the graph: `(index) -> (image file, label)`.

        Where a graph asks for both the image and the target of an index, the
        record is read once.
        """
        read = self._read

        def example(index):
            if tf.executing_eagerly():
                return self.parse(read(index))
            seen = compat.graph_collection(self)
            for other, parsed in seen:
                if other is index:
                    return parsed
            parsed = self.parse(read(index))
            seen.append((index, parsed))
            return parsed

        return example
