"""Image files -> smaller JPEG files, in TensorFlow's graph."""

import tensorflow as tf

from keras_vit.data.decoding import decode_reduced, plain_jpeg
from keras_vit.decoding import Decoding

# A JPEG is decoded to a part of its sides that are still so many times as long as
# wanted, and resized from there: 12 megapixels become 448 pixels in 60 % of the
# time, and are 0.7 levels off, where the second JPEG is 2.5 to 3.
_SPARE = 1.5
_LONGEST = 65_500  # pixels of a side, that libjpeg takes; longer ones become a PNG


def reduced_jpeg(
    data: tf.Tensor,
    path: tf.Tensor,
    *,
    short_side: int,
    quality: int,
    exif_orientation: bool,
    decoding: Decoding,
) -> tf.Tensor:
    """Return an image file as a JPEG whose shorter side has so many pixels at most.

    Bicubic with antialiasing, the aspect preserved, upright, without notes. A JPEG
    that is upright and no larger comes as it is.

    Args:
        data: the file's bytes, a scalar string.
        path: of the file, a scalar string, for errors.
        short_side: pixels of the shorter side; smaller images keep their size.
        quality: of the JPEG, 1 to 100.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        The bytes of a JPEG file, a scalar string.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, as `decoding.decode`
            does.

    Example:

    >>> file = tf.io.encode_png(tf.zeros((40, 60, 3), tf.uint8))
    >>> how = {"exif_orientation": True, "decoding": Decoding()}
    >>> jpeg = reduced_jpeg(file, "a.png", short_side=20, quality=90, **how)
    >>> tf.io.decode_jpeg(jpeg).shape
    TensorShape([20, 30, 3])
    """
    data = tf.convert_to_tensor(data)
    plain, shape = plain_jpeg(data, exif_orientation, decoding)
    small = plain & (tf.reduce_min(shape[:2]) <= short_side)

    def reduced():
        least = round(_SPARE * short_side)
        pixels = decode_reduced(data, path, least, exif_orientation, decoding)
        pixels = _shrunk(pixels, short_side)
        return tf.cond(
            tf.reduce_max(tf.shape(pixels)) <= _LONGEST,
            lambda: tf.io.encode_jpeg(pixels, "rgb", quality=quality),
            lambda: tf.io.encode_png(pixels),
        )

    return tf.cond(small, lambda: data, reduced)


def _shrunk(pixels, short_side):
    """Pixels `(H, W, 3)` of at most such a shorter side, uint8."""
    sides = tf.shape(pixels)[:2]
    short = tf.reduce_min(sides)

    def resized():
        wide = tf.cast(sides, tf.int64) * 2 * short_side + tf.cast(short, tf.int64)
        size = tf.cast(wide // (2 * tf.cast(short, tf.int64)), tf.int32)
        shrunk = tf.image.resize(pixels, size, "bicubic", antialias=True)
        return tf.saturate_cast(tf.floor(shrunk + 0.5), tf.uint8)

    return tf.cond(short > short_side, resized, lambda: pixels)
