"""What is made of an image file before it is decoded."""

from typing import Any, NamedTuple

import tensorflow as tf

from keras_vit.decoding import MAX_PIXELS

# Ways to decode; NONE: it is not.
NONE, JPEG, PNG, CLEAR_PNG, DEEP_PNG, BMP, OTHER = range(7)


class Prepared(NamedTuple):
    """An image file whose header was read.

    Attributes:
        way: to decode it, int32, one of the constants above.
        data: what is decoded, a string.
        around: rows above and below what is decoded, columns before and after
            it, that belong to the picture too: int64, `(4,)`.
        colour: of those, uint8, `(3,)`.
        error: why it is not decoded, a string; empty if it is.
    """

    way: tf.Tensor
    data: tf.Tensor
    around: tf.Tensor
    colour: tf.Tensor
    error: tf.Tensor


_specs: Any = Prepared  # of tensors' specs too
SPEC: Prepared = _specs(
    tf.TensorSpec((), tf.int32),
    tf.TensorSpec((), tf.string),
    tf.TensorSpec((4,), tf.int64),
    tf.TensorSpec((3,), tf.uint8),
    tf.TensorSpec((), tf.string),
)


def prepared(
    way: Any,
    data: Any,
    around: Any = (0,) * 4,
    colour: Any = (0,) * 3,
    error: Any = "",
) -> Prepared:
    """Return a `Prepared` of tensors; one that has an error is not decoded."""
    error = tf.convert_to_tensor(error)
    return Prepared(
        tf.where(error == "", way, NONE),
        tf.where(error == "", data, ""),
        tf.cast(around, tf.int64),
        tf.cast(colour, tf.uint8),
        error,
    )


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
