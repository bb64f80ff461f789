"""Random changes to training images: a batch and a key in, a batch out.

The draws depend on the key alone (`tf.random.stateless_*`), so that the same
step of a run sees the same images whenever and however it is reached.
"""

import tensorflow as tf


def random_flip(images, key):
    """Mirrors each image left to right, or not, with equal probability.

    Args:
        images: `(B, H, W, C)`.
        key: two integers that settle the draws.

    Returns:
        Images of the same shape and dtype.
    """
    mirrored = tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 1), key) < 0.5
    return tf.where(mirrored, images[:, :, ::-1], images)


def random_crop(images, key, padding):
    """Surrounds each image with black and cuts its size out of that, anywhere.

    Args:
        images: `(B, H, W, C)`.
        key: two integers that settle the draws.
        padding: pixels of black on each side.

    Returns:
        Images of the same shape and dtype.
    """
    batch, height, width = tf.unstack(tf.shape(images)[:3])
    border = [padding, padding]
    padded = tf.pad(images, [[0, 0], border, border, [0, 0]])
    shape, most = (2, batch, 1), 2 * padding + 1
    offsets = tf.random.stateless_uniform(shape, key, 0, most, tf.int32)
    top, left = offsets[0], offsets[1]
    rows = tf.gather(padded, top + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, left + tf.range(width), axis=2, batch_dims=1)
