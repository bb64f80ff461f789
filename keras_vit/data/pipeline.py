"""A split -> batches."""

import numpy as np
import tensorflow as tf

from keras_vit.data.augmentation import random_crop, random_flip
from keras_vit.data.preprocessing import resize


def training_batches(
    split, batch_size, image_size, *, seed, flip=False, crop_padding=0, first_step=0
):
    """Gives the endless stream of batches that a run with this seed trains on.

    Each epoch is a permutation of the split. A batch and its augmentation
    follow from (seed, step) alone: entering at `first_step` gives what the
    stream from 0 gives there.

    Args:
        split: a `Split` of N images.
        batch_size: B, at most N.
        image_size: (height, width) in pixels.
        seed: an integer.
        flip: whether images are mirrored at random.
        crop_padding: pixels by which a random crop may leave the image.
        first_step: the step of the first batch.

    Returns:
        A `tf.data.Dataset` of images `(B, height, width, 3)` and labels `(B,)`.

    Raises:
        ValueError: if a batch is larger than the split.
    """
    count = len(split)
    if not 0 < batch_size <= count:
        raise ValueError(
            f"batch_size must lie between 1 and the {count} training images. "
            f"Received: batch_size={batch_size}"
        )
    images, labels = tf.constant(split.images), tf.constant(split.labels)
    seed = tf.constant(seed, tf.int64)

    def batch(step):
        example = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        epoch, place = example // count, example % count
        # The raw operation, since tf.random's wrapper fails on a vector of epochs.
        index = tf.raw_ops.RandomIndexShuffle(
            index=place,
            seed=tf.stack([seed + 0 * epoch, epoch, 0 * epoch], axis=1),
            max_index=tf.constant(count - 1, tf.int64),
            rounds=4,
        )
        x = tf.gather(images, index)
        key = tf.stack([seed, step])
        if crop_padding:
            x = random_crop(x, _fold(key, 0), crop_padding)
        if flip:
            x = random_flip(x, _fold(key, 1))
        return resize(x, image_size), tf.gather(labels, index)

    steps = tf.data.Dataset.counter(start=first_step)
    return steps.map(batch, num_parallel_calls=1).prefetch(2)


def _fold(key, number):
    """A key of its own for each use of randomness in a step."""
    return tf.random.experimental.stateless_fold_in(key, number)


def evaluation_batches(split, batch_size, image_size):
    """Yields a split once, in order, in batches of one shape.

    The last batch is filled up with black images whose weight is 0; nothing
    is dropped.

    Yields:
        `(images, labels, weights)` of B rows each, as NumPy arrays.
    """
    for start in range(0, len(split), batch_size):
        images = np.asarray(
            resize(split.images[start : start + batch_size], image_size)
        )
        labels = split.labels[start : start + batch_size]
        weights = np.ones(len(labels), np.float32)
        missing = batch_size - len(labels)
        if missing:
            images, labels, weights = (
                np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
                for array in (images, labels, weights)
            )
        yield images, labels, weights
