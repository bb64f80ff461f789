"""Mixing the images of a batch, each with the one before it, and their targets."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_vit.data.augmentation import Augmentation

# An `Any`, as the types that pyright knows of TensorFlow lack it.
_RANDOM: Any = tf.random
fold_in = _RANDOM.experimental.stateless_fold_in


def mixture(
    key: tf.Tensor, augmentation: Augmentation, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draw how the images of a batch are mixed with their neighbours.

    Args:
        key: two integers that settle all draws.
        augmentation: an `Augmentation` with `mixup` or `cutmix` above 0.
        size: (height, width) of the images.

    Returns:
        The image's own share of every pixel, a scalar or `(height, width, 1)`,
        and its share of the target, a scalar; both in [0, 1].
    """

    def by_mixup():
        share = beta(key, augmentation.mixup)
        share = tf.maximum(share, 1 - share)
        # As a map where CutMix may take its place.
        return (tf.fill((*size, 1), share) if augmentation.cutmix else share), share

    def by_cutmix():
        centre = tf.random.stateless_uniform((2,), fold_in(key, 2))
        kept = cutmix_map(beta(key, augmentation.cutmix), centre, size)
        return kept, tf.reduce_mean(kept)

    if not (augmentation.mixup and augmentation.cutmix):
        return by_mixup() if augmentation.mixup else by_cutmix()
    choice = tf.random.stateless_uniform((), fold_in(key, 1))
    return tf.cond(choice < 0.5, by_mixup, by_cutmix)


def beta(key: tf.Tensor, p: float) -> tf.Tensor:
    """Draw a variate of Beta(p, p), float32."""
    # In float64, where a gamma variate of a small p does not vanish.
    gammas = tf.random.stateless_gamma(
        (2,), key, tf.constant(p, tf.float64), dtype=tf.float64
    )
    return tf.cast(gammas[0] / (gammas[0] + gammas[1]), tf.float32)


def cutmix_map(
    share: tf.Tensor | float, centre: tf.Tensor | Sequence[float], size: tuple[int, int]
) -> tf.Tensor:
    """Return a map of 1, where an image is kept, and 0, where its neighbour shows.

    That is a rectangle of the image's proportions, as far as it lies within.

    Args:
        share: of the area that is kept, but for what lies beyond the edges.
        centre: of the rectangle, down and across, in [0, 1).
        size: (height, width).

    Returns:
        float32 `(height, width, 1)`.
    """
    sides = tf.constant(size, tf.float32)
    half = tf.floor(sides * tf.sqrt(1 - share)) // 2

    def covered(axis):
        places = tf.range(size[axis], dtype=tf.float32)
        away = places - tf.floor(centre[axis] * sides[axis])
        return tf.cast((-half[axis] <= away) & (away < half[axis]), tf.float32)

    return 1 - covered(0)[:, tf.newaxis, tf.newaxis] * covered(1)[:, tf.newaxis]


@tf.function(jit_compile=True)  # one pass over the batch in place of five
def mixed(values: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Mix each row with the one before it.

    Args:
        values: images or targets, `(B + 1, ...)`, the first row there for the
            sake of the second one alone.
        share: a row's own share of the mixture, a scalar or `(height, width, 1)`.

    Returns:
        float32 `(B, ...)`.
    """
    values = tf.cast(values, tf.float32)
    return share * values[1:] + (1 - share) * values[:-1]
