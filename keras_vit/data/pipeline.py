"""A split -> the endless stream of batches to train on."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_vit.data.augmentation import Augmentation, augmented, moved
from keras_vit.data.draws import uniforms
from keras_vit.data.labelled import Labelled
from keras_vit.data.mixing import mixed, mixture
from keras_vit.data.order import Sampling, order_of
from keras_vit.data.preprocessing import resize


@dataclass(frozen=True)
class Shard:
    """The part of every global batch that a stream yields.

    A global batch is cut into as many slices as there are replicas, in order.

    Attributes:
        first: the first slice.
        count: how many slices, one after the other.
        total: into how many a batch is cut.
    """

    first: int = 0
    count: int = 1
    total: int = 1


WHOLE = Shard()
_UNCHANGED = Augmentation()
CHUNK = 32  # images that are read, or taken out of an array, in one go


def training_batches(
    split: Labelled,
    batch_size: int,
    image_size: tuple[int, int],
    num_classes: int,
    *,
    seed: int,
    augmentation: Augmentation = _UNCHANGED,
    first_step: int = 0,
    shard: Shard = WHOLE,
    replacements: np.ndarray | None = None,
    draws: int = 0,
    sampling: Sampling | None = None,
) -> tf.data.Dataset:
    """Return the endless stream of batches that a run with this seed trains on.

    Example i of step k has the place p = k B + i. Each epoch, N places, is a
    permutation of the split, unless classes are balanced. What stands at a place,
    and how it is augmented, follows from (seed, p) alone, what is mixed from
    (seed, k): entering at `first_step` yields what the stream from 0 yields there,
    and the slices of a batch together are the batch. Where each image is in its
    batch R times, the permutation advances by B / R images a step.

    Args:
        split: N images, as a `Split`.
        batch_size: B of the global batch, at most N, a multiple of the slices
            and of `augmentation.repeats`.
        image_size: (height, width) in pixels.
        num_classes: K.
        seed: an integer.
        augmentation: an `Augmentation`.
        first_step: the step of the first batch.
        shard: the slices to give.
        replacements: indices `(N,)` of the image that is shown in the place of
            each, as `unreadable.replacements` gives them; `None`: its own.
        draws: how many numbers in [0, 1) each image comes with, which follow
            from its place too, in place of its target; 0: its target. Not
            with mixing.
        sampling: `"balanced"`: each class equally often, instead of each image
            once an epoch (`order.BalancedOrder`).

    Returns:
        A `tf.data.Dataset` of slices: images `(b, height, width, 3)` and
        targets `(b, K)`, one-hot or mixed, or `(b, draws)`, where b is B
        divided by the slices.

    Raises:
        ValueError: if a batch is larger than the split or cannot be cut so, or for
            multi-label images that are to be balanced.
    """
    check_batch_size(split, batch_size, shard.total, augmentation.repeats)
    repeats = augmentation.repeats
    order = order_of(split, batch_size, seed, repeats=repeats, sampling=sampling)
    read = _reader(split, augmentation, image_size, num_classes)
    mixes = bool(augmentation.mixup or augmentation.cutmix)
    # An image is mixed with the one before it in the global batch, the first one
    # with the last: a slice begins with that.
    lead = int(mixes)
    width = batch_size // shard.total + lead

    def chunk(number):
        """Some rows that follow each other in the stream of slices."""
        numbers = number + tf.range(CHUNK, dtype=tf.int64)
        slice_numbers, columns = numbers // width, numbers % width
        rows = shard.first + slice_numbers % shard.count
        columns = (rows * (width - lead) + columns - lead) % batch_size
        places = slice_numbers // shard.count * batch_size + columns
        indices = order.examples_at(places)
        if replacements is not None:
            indices = tf.gather(replacements, indices)
        changes = augmentation.num_draws()
        numbers = uniforms(seed, places, changes + draws)
        images, targets = read(indices, numbers[:, :changes])
        return images, numbers[:, changes:] if draws else targets

    def mix(number, batch):
        step = number // shard.count
        key = tf.stack([tf.constant(seed, tf.int64), step])
        shares = mixture(key, augmentation, image_size)
        return tuple(mixed(*pair) for pair in zip(batch, shares, strict=True))

    start = first_step * shard.count * width
    stream = tf.data.Dataset.counter(start=start, step=CHUNK)
    stream = stream.map(chunk, num_parallel_calls=tf.data.AUTOTUNE)
    stream = stream.rebatch(width)
    if mixes:
        slices = tf.data.Dataset.counter(start=first_step * shard.count)
        stream = tf.data.Dataset.zip(slices, stream)
        stream = stream.map(mix, num_parallel_calls=tf.data.AUTOTUNE)
    return stream.prefetch(2)


def _reader(split, augmentation, size, num_classes):
    """Return a function for the graph: `(indices, draws) -> (images, targets)`."""
    apart = augmentation.keeps_images_apart()
    read_all = None if apart else split.batch_reader()
    if read_all is not None:
        target = split.targets(num_classes)

        def of_batch(indices, draws):
            images = read_all(indices)
            antialias = augmentation.resize_antialias
            return resize(images, size, antialias=antialias), target(indices)

        examples = of_batch
    else:
        read = split.examples(num_classes)
        alone = Augmentation(resize_antialias=augmentation.resize_antialias)
        change = augmentation if apart else alone
        kinds = (
            tf.TensorSpec((*size, 3), change.dtype()),
            tf.TensorSpec((num_classes,), tf.float32),
        )

        def example(row):
            index, draws = row
            image, target = read(index)
            return augmented(image, draws, change, size), target

        def one_by_one(indices, draws):
            return tf.map_fn(example, (indices, draws), fn_output_signature=kinds)

        examples = one_by_one

    if apart or not (augmentation.crop == "pad" or augmentation.flip):
        return examples

    def changed(indices, draws):
        images, targets = examples(indices, draws)
        return moved(images, draws, augmentation), targets

    return changed


def check_batch_size(
    split: Labelled, batch_size: int, slices: int = 1, repeats: int = 1
) -> None:
    """Refuse a batch that is larger than the split or cannot be cut so.

    Raises:
        ValueError: saying which.
    """
    if not 0 < batch_size <= len(split):
        raise ValueError(
            f"batch_size must lie between 1 and the {len(split)} training images; set "
            f"it so. Received: batch_size={batch_size}"
        )
    for divisor, what in ((slices, "replicas"), (repeats, "repeats of an image")):
        if batch_size % divisor:
            raise ValueError(
                f"batch_size must be a multiple of the {divisor} {what}. "
                f"Received: batch_size={batch_size}"
            )


def examples_of_step(
    split: Labelled,
    batch_size: int,
    seed: int,
    step: int,
    repeats: int = 1,
    *,
    sampling: Sampling | None = None,
) -> np.ndarray:
    """Return the indices of the images of a step, in the batch's order."""
    places = step * batch_size + np.arange(batch_size)
    order = order_of(split, batch_size, seed, repeats=repeats, sampling=sampling)
    return np.asarray(order.examples_at(places))
