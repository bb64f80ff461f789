"""Image files that claim too many pixels, which are not decoded."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_vit.decoding import MAX_PIXELS
from keras_vit.exporting.served_images.byte_reader import Tensor


def within(
    height: Tensor, width: Tensor, most: int, decode: Callable[[], Tensor]
) -> tuple[Tensor, Tensor]:
    """Decode an image unless its header says that it has too many pixels.

    Args:
        height: by the header, a scalar, int64.
        width: the same.
        most: pixels that are decoded.
        decode: the function that decodes it, to uint8 `(H, W, 3)`.

    Returns:
        image: uint8 `(H, W, 3)`; of one that has too many, `(1, 1, 3)`.
        refused: int64 `(2,)`: 0, or the height and width of one that has too many.
    """
    fits = too_many(height, width, most) == ""
    nothing = tf.zeros((1, 1, 3), tf.uint8)
    image = tf.cond(fits, decode, lambda: nothing)
    return image, tf.where(fits, tf.zeros(2, tf.int64), [height, width])


def too_many(height: Any, width: Any, most: int = MAX_PIXELS) -> tf.Tensor:
    """Return the error for sides, int64, with too many pixels; empty if they fit.

    Example:

    >>> too_many(tf.constant(10_000), tf.constant(20_000)).numpy().decode()
    '20000 x 10000 pixels are more than the limit of 62,000,000'
    """
    limit = f" pixels are more than the limit of {most:,}"
    sides = [tf.strings.as_string(width), " x ", tf.strings.as_string(height), limit]
    fits = height <= most // tf.maximum(width, 1)  # their product may overflow
    return tf.where(fits, "", tf.strings.join(sides))
