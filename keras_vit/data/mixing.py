"""Mixing the images of a batch, each with the one before it, and their targets."""

import tensorflow as tf
from tensorflow.random.experimental import stateless_fold_in as fold_in


def mixture(key, augmentation, size):
    """Draws how the images of a batch are mixed with their neighbours.

    Args:
        key: two integers that settle all draws.
        augmentation: an `Augmentation` with `mixup` or `cutmix` above 0.
        size: (height, width) of the images.

    Returns:
        The image's own share of every pixel, a scalar or `(height, width, 1)`,
        and its share of the target, a scalar; both in [0, 1].
    """
    mixup, cutmix = augmentation.mixup, augmentation.cutmix
    shape = (*size, 1)

    def by_mixup():
        ratio = mixup_ratio(key, mixup)
        # As a map where CutMix may take its place.
        return (tf.fill(shape, ratio) if cutmix else ratio), ratio

    def by_cutmix():
        kept = cutmix_map(key, cutmix, size)
        return kept, tf.reduce_mean(kept)

    if not (mixup and cutmix):
        return by_mixup() if mixup else by_cutmix()
    choice = tf.random.stateless_uniform((), fold_in(key, 1))
    return tf.cond(choice < 0.5, by_mixup, by_cutmix)


def mixup_ratio(key, p):
    """The larger share in a mixture of two, from Beta(p, p) and at least 1/2."""
    share = _beta(key, p)
    return tf.maximum(share, 1 - share)


def cutmix_map(key, p, size):
    """Where an image is kept, 1, and where its neighbour shows, 0.

    That is a rectangle of the image's proportions about a pixel drawn evenly,
    with a share of the area drawn from Beta(p, p), as far as it lies within.

    Returns:
        float32 `(height, width, 1)`.
    """
    sides = tf.constant(size, tf.float32)
    centre = tf.random.stateless_uniform((2,), fold_in(key, 2))
    half = tf.floor(sides * tf.sqrt(1 - _beta(key, p))) // 2

    def covered(axis):
        places = tf.range(size[axis], dtype=tf.float32)
        away = places - tf.floor(centre[axis] * sides[axis])
        return tf.cast((-half[axis] <= away) & (away < half[axis]), tf.float32)

    return 1 - covered(0)[:, tf.newaxis, tf.newaxis] * covered(1)[:, tf.newaxis]


@tf.function(jit_compile=True)  # one pass over the batch in place of five
def mixed(values, neighbours, share):
    """That share of the values and the rest of their neighbours, in float32."""
    values, neighbours = tf.cast(values, tf.float32), tf.cast(neighbours, tf.float32)
    return share * values + (1 - share) * neighbours


def _beta(key, p):
    # In float64, where a gamma variate of a small p does not vanish.
    gammas = tf.random.stateless_gamma((2,), key, p, dtype=tf.float64)
    return tf.cast(gammas[0] / (gammas[0] + gammas[1]), tf.float32)
