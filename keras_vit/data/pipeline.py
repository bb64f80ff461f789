"""A split -> the endless stream of batches to train on."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_vit.data.augmentation import Augmentation, augmented, mixed, mixup_ratio


@dataclass(frozen=True)
class Share:
    """The part of every global batch that a stream gives.

    A global batch is cut into as many slices as there are replicas, in order.

    Attributes:
        first: the first slice.
        count: how many slices, one after the other.
        total: into how many a batch is cut.
    """

    first: int = 0
    count: int = 1
    total: int = 1


WHOLE = Share()
_UNCHANGED = Augmentation()
_MIXING = 2  # what a key of (seed, step) is for, beside an image's (seed, place)


def training_batches(
    split,
    batch_size,
    image_size,
    num_classes,
    *,
    seed,
    augmentation=_UNCHANGED,
    first_step=0,
    share=WHOLE,
):
    """Gives the endless stream of batches that a run with this seed trains on.

    Example i of step k has the place p = k B + i. Each epoch, N places, is a
    permutation of the split. What stands at a place, and how it is augmented,
    follows from (seed, p) alone, what is mixed from (seed, k): entering at
    `first_step` gives what the stream from 0 gives there, and the slices of a
    batch together are the batch.

    Args:
        split: N images, as a `Split`.
        batch_size: B of the global batch, at most N, a multiple of the slices.
        image_size: (height, width) in pixels.
        num_classes: K.
        seed: an integer.
        augmentation: an `Augmentation`.
        first_step: the step of the first batch.
        share: the slices to give.

    Returns:
        A `tf.data.Dataset` of slices: images `(b, height, width, 3)` and
        targets `(b, K)`, one-hot or mixed, where b is B divided by the slices.

    Raises:
        ValueError: if a batch is larger than the split or cannot be cut so.
    """
    check_batch_size(split, batch_size, share.total)
    read, target = split.reader(), split.targets(num_classes)
    # An image is mixed with the one before it in the global batch: a slice
    # needs that of its first one too.
    lead = 1 if augmentation.mixup and share.total > 1 else 0
    width = batch_size // share.total + lead

    def example(number):
        slice_number, column = number // width, number % width
        step = slice_number // share.count
        row = share.first + slice_number % share.count
        place = (row * (width - lead) + column - lead) % batch_size
        place += step * batch_size
        index = _example_at(place, len(split), seed)
        key = tf.stack([tf.constant(seed, tf.int64), place])
        image = augmented(read, index, key, augmentation, image_size)
        return image, target(index), step

    def mix(images, targets, steps):
        key = tf.stack([tf.constant(seed, tf.int64), steps[0]])
        key = tf.random.experimental.stateless_fold_in(key, _MIXING)
        ratio = mixup_ratio(key, augmentation.mixup)
        if lead:
            return tuple(mixed(x[1:], x[:-1], ratio) for x in (images, targets))
        return tuple(mixed(x, tf.roll(x, 1, 0), ratio) for x in (images, targets))

    stream = tf.data.Dataset.counter(start=first_step * share.count * width)
    stream = stream.map(example, num_parallel_calls=tf.data.AUTOTUNE)
    stream = stream.batch(width, drop_remainder=True)
    if augmentation.mixup:
        stream = stream.map(mix)
    else:
        stream = stream.map(lambda images, targets, steps: (images, targets))
    return stream.prefetch(2)


def check_batch_size(split, batch_size, slices=1):
    """Refuses a batch that is larger than the split or cannot be cut so.

    Raises:
        ValueError: saying which.
    """
    if not 0 < batch_size <= len(split):
        raise ValueError(
            f"batch_size must lie between 1 and the {len(split)} training images. "
            f"Received: batch_size={batch_size}"
        )
    if batch_size % slices:
        raise ValueError(
            f"batch_size must be a multiple of the {slices} replicas. "
            f"Received: batch_size={batch_size}"
        )


def examples_of_step(split, batch_size, seed, step):
    """The indices in the split of the images of a step, in the batch's order."""
    places = step * batch_size + np.arange(batch_size)
    return np.array([_example_at(place, len(split), seed) for place in places])


def _example_at(place, count, seed):
    """The index of the image at a place of the stream."""
    place = tf.cast(place, tf.int64)
    epoch = place // count
    return tf.random.experimental.index_shuffle(
        place % count,
        seed=tf.stack([tf.constant(seed, tf.int64), epoch]),
        max_index=tf.constant(count - 1, tf.int64),
    )
