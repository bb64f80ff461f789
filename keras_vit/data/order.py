"""Which image stands at which place of the stream that a run trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import tensorflow as tf

from keras_vit.data.draws import bits
from keras_vit.data.labelled import Labelled

FEW = 64  # numbers, up to which `_shuffled_by_rank` is the faster one
# How the images of a split are drawn; `None`: each once an epoch.
Sampling: TypeAlias = Literal["balanced"]


class ImageOrder(Protocol):
    """A rule that finds the image at a place of the stream."""

    def examples_at(self, places: tf.Tensor | np.ndarray) -> tf.Tensor:
        """Return the indices of the images at places `(n,)`: int64 `(n,)`."""
        ...


@dataclass(frozen=True)
class Order:
    """Each image once an epoch, in an order that is shuffled for each epoch.

    Attributes:
        count: N, the images of the split.
        batch_size: B.
        seed: an integer.
        repeats: R, how often an image is in its batch.
    """

    count: int
    batch_size: int
    seed: int
    repeats: int = 1

    def examples_at(self, places: tf.Tensor | np.ndarray) -> tf.Tensor:
        """Return the indices of the images at places `(n,)`: int64 `(n,)`."""
        numbers = _distinct(places, self.batch_size, self.repeats)
        epochs = numbers // self.count
        return _shuffled(numbers % self.count, self.count, bits(self.seed, epochs, 3))


class BalancedOrder:
    """Each class equally often, whatever its share of the images is.

    Of C classes, every C places have one image of each, in a shuffled order: so an
    epoch, N places, and a batch too have each class equally often, but for the C
    places that they begin or end in. An image of a class comes again when all
    others of the class have come; each such round is shuffled anew.

    Args:
        classes: the class of each image, integers `(N,)`; a class without images
            is not drawn.
        batch_size: B.
        seed: an integer.
        repeats: R, how often an image is in its batch.

    Example:

    >>> order = BalancedOrder([0, 0, 0, 0, 0, 1], batch_size=2, seed=0)
    >>> sorted(order.examples_at(np.arange(10)).numpy().tolist())
    [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]
    """

    def __init__(
        self,
        classes: np.ndarray | Sequence[int],
        batch_size: int,
        seed: int,
        repeats: int = 1,
    ) -> None:
        classes = np.asarray(classes)
        counts = np.unique(classes, return_counts=True)[1].astype(np.int64)
        self._batch_size, self._seed, self._repeats = batch_size, seed, repeats
        self._num_classes = len(counts)
        with tf.device("CPU"):
            self._counts = tf.constant(counts)
            self._firsts = tf.constant(np.cumsum(counts) - counts)
            # The images of the first class, then those of the next.
            self._images = tf.constant(np.argsort(classes, kind="stable"), tf.int64)

    def examples_at(self, places: tf.Tensor | np.ndarray) -> tf.Tensor:
        """Return the indices of the images at places `(n,)`: int64 `(n,)`."""
        total = self._num_classes
        numbers = _distinct(places, self._batch_size, self._repeats)
        turns = numbers // total  # each class has one image in a turn
        # Seeds of turns have even numbers, those of a class's rounds odd ones.
        seeds = bits(self._seed, 2 * turns, 3)
        drawn = _shuffled_by_rank(numbers % total, total, seeds)
        counts = tf.gather(self._counts, drawn)
        rounds = turns // counts
        seeds = bits(self._seed, 2 * (rounds * total + drawn) + 1, 3)
        inside = _shuffled_by_rank(turns % counts, counts, seeds)
        return tf.gather(self._images, tf.gather(self._firsts, drawn) + inside)


def order_of(
    split: Labelled,
    batch_size: int,
    seed: int,
    *,
    repeats: int = 1,
    sampling: Sampling | None = None,
) -> ImageOrder:
    """Return the order in which a run with this seed trains on a split.

    Args:
        split: N images.
        batch_size: of the global batch.
        seed: an integer.
        repeats: how often an image is in its batch.
        sampling: `"balanced"`: each class equally often.

    Raises:
        ValueError: for multi-label images that are to be balanced.
    """
    if sampling is None:
        return Order(len(split), batch_size, seed, repeats)
    classes = one_class_each(split, "sampling=balanced")
    return BalancedOrder(classes, batch_size, seed, repeats)


def one_class_each(split: Labelled, setting: str) -> np.ndarray:
    """Return the class of each image, integers `(N,)`; the likeliest one.

    Args:
        split: N images, each of one class.
        setting: that needs it, for the message.

    Raises:
        ValueError: for multi-label images.
    """
    labels = split.labels
    if labels.ndim == 1:
        return labels
    if not np.allclose(labels.sum(1), 1, atol=1e-3):
        raise ValueError(
            f"{setting} needs images of one class each. Received: multi-label images, "
            f"of several classes or of none. Leave out {setting.partition('=')[0]}"
        )
    return labels.argmax(1)


def _distinct(places: Any, batch_size: int, repeats: int) -> Any:
    """Number the images at places by the draws, of which repeats are one."""
    all_places: Any = tf.cast(places, tf.int64)
    distinct = batch_size // repeats
    return all_places // batch_size * distinct + all_places % batch_size % distinct


def _shuffled_by_rank(numbers: Any, counts: Any, seeds: Any) -> Any:
    """Return what `_shuffled` does, in another permutation where there are few.

    `RandomIndexShuffle` takes 0.6 ms for each of two numbers, and less the more there
    are (measured, TensorFlow 2.21, as if its cipher were of 65,536 numbers at least).
    The rank of a number that is drawn among as many takes a fiftieth of that.
    """
    counts = counts + 0 * numbers
    few = counts <= FEW
    keys = bits(seeds[:, :1], 0 * numbers, FEW)
    own = tf.gather(keys, tf.where(few, numbers, 0), batch_dims=1)
    among = tf.range(FEW, dtype=tf.int64) < counts[:, tf.newaxis]
    before = (keys < own[:, tf.newaxis]) & among
    ranks = tf.reduce_sum(tf.cast(before, tf.int64), 1)
    large = tf.where(few, counts + 2**16, counts)  # where its answer is not taken
    others = _shuffled(numbers, large, seeds)
    return tf.where(few, ranks, others)


def _shuffled(numbers: Any, counts: Any, seeds: Any) -> Any:
    """Return where each number lies in a permutation of so many, by a seed `(n, 3)`."""
    return tf.raw_ops.RandomIndexShuffle(  # its wrapper takes one seed alone
        index=numbers,
        # Small seeds, or its usual four rounds, leave most where it was.
        seed=tf.bitcast(seeds, tf.int64),
        max_index=counts - 1 + 0 * numbers,
        rounds=12,
    )
