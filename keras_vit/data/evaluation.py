"""A split -> the batches to evaluate on: each image once, in order."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from keras_vit.data.images import UnreadableImageError
from keras_vit.data.labelled import Labelled
from keras_vit.data.preprocessing import SQUASH, preprocess
from keras_vit.data.unreadable import READING_ERRORS, unreadable_among
from keras_vit.preprocessing import Preprocessing


def evaluation_batches(
    split: Labelled,
    batch_size: int,
    image_size: tuple[int, int],
    preprocessing: Preprocessing = SQUASH,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield a split once, in order, in batches of one shape.

    The last batch is filled up with black images whose weight is 0; nothing
    is dropped.

    Args:
        split: as `Split` or `Files`.
        batch_size: B.
        image_size: (height, width) in pixels.
        preprocessing: a `keras_vit.preprocessing.Preprocessing`.

    Yields:
        `(images, labels, weights)` of B rows each, as NumPy arrays.

    Raises:
        UnreadableImageError: naming the first image of a batch that cannot be
            read.
    """
    read = split.reader()
    stream = tf.data.Dataset.range(len(split)).map(
        lambda index: preprocess(read(index), image_size, preprocessing),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    batches = stream.batch(batch_size).prefetch(1).as_numpy_iterator()
    for start in range(0, len(split), batch_size):
        labels = split.labels[start : start + batch_size]
        images = _next(batches, split, range(start, start + len(labels)))
        weights = np.ones(len(labels), np.float32)
        missing = batch_size - len(labels)
        if missing:
            images, labels, weights = (
                np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
                for array in (images, labels, weights)
            )
        yield images, labels, weights


def _next(batches, split, indices):
    try:
        return next(batches)
    except READING_ERRORS as error:
        reasons = [*unreadable_among(split, indices).values()] or [error]
        raise UnreadableImageError(
            f"{reasons[0]}. An evaluation reads every image: fix or remove the file. "
            "keras-vit inspect-data lists all files that cannot be read"
        ) from error
