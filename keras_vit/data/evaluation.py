"""A split -> the batches to evaluate on: each image once, in order."""

import numpy as np
import tensorflow as tf

from keras_vit.data.preprocessing import SQUASH, preprocess


def evaluation_batches(split, batch_size, image_size, preprocessing=SQUASH):
    """Yields a split once, in order, in batches of one shape.

    The last batch is filled up with black images whose weight is 0; nothing
    is dropped.

    Args:
        split: as `Split` or `Files`.
        batch_size: B.
        image_size: (height, width) in pixels.
        preprocessing: a `keras_vit.preprocessing.Preprocessing`.

    Yields:
        `(images, labels, weights)` of B rows each, as NumPy arrays.
    """
    read = split.reader()
    stream = tf.data.Dataset.range(len(split)).map(
        lambda index: preprocess(read(index), image_size, preprocessing),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    stream = stream.batch(batch_size).prefetch(1)
    for number, images in enumerate(stream.as_numpy_iterator()):
        start = number * batch_size
        labels = split.labels[start : start + batch_size]
        weights = np.ones(len(labels), np.float32)
        missing = batch_size - len(labels)
        if missing:
            images, labels, weights = (
                np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
                for array in (images, labels, weights)
            )
        yield images, labels, weights
