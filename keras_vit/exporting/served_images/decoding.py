"""What was prepared -> pixels. All that can raise is in here."""

import tensorflow as tf

from keras_vit.data.decoding import ACCURATE
from keras_vit.data.images import MOST_BYTES
from keras_vit.data.levels import flattened, levels_of_deep
from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.bmp import decode_bmp
from keras_vit.exporting.served_images.byte_reader import Tensor
from keras_vit.exporting.served_images.prepared import (
    BMP,
    CLEAR_PNG,
    DEEP_PNG,
    JPEG,
    NONE,
    OTHER,
    PNG,
    too_many,
)

# Files of four components whose ink is counted from the paper's white are marked
# so by Adobe. Pillow takes all for such files; a mark of their own counts still.
_ADOBE = b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"


def decode(way: Tensor, data: Tensor, decoding: Decoding) -> Tensor:
    """Decode what `prepared` describes.

    Args:
        way: int32, a constant of `prepared`.
        data: the bytes, a scalar string.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        image: uint8 `(H, W, 3)`.
        refused: int64 `(2,)`: 0, or the height and width of a JPEG that has
            too many pixels, of which nothing was decoded.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, for damaged files.
    """
    nothing, backdrop = tf.zeros(2, tf.int64), decoding.backdrop
    ways = {
        JPEG: lambda: _jpeg(data, decoding.max_pixels),
        PNG: lambda: (tf.io.decode_png(data, channels=3), nothing),
        CLEAR_PNG: lambda: (
            flattened(tf.io.decode_png(data, channels=4), backdrop),
            nothing,
        ),
        DEEP_PNG: lambda: (_deep_png(data, decoding), nothing),
        BMP: lambda: (decode_bmp(data, backdrop), nothing),
        OTHER: lambda: (_other(data, backdrop), nothing),
    }
    ways[NONE] = ways[OTHER]  # to decode nothing, which raises
    return tf.switch_case(way, [ways[one] for one in sorted(ways)])


def _jpeg(data: Tensor, max_pixels: int) -> Tensor:
    height, width, components = tf.unstack(tf.image.extract_jpeg_shape(data, tf.int64))
    fits = too_many(height, width, max_pixels) == ""
    marked = tf.cond(components == 4, lambda: _marked(data), lambda: data)
    image = tf.cond(
        fits,
        lambda: tf.io.decode_jpeg(marked, channels=3, dct_method=ACCURATE),
        lambda: tf.zeros((1, 1, 3), tf.uint8),
    )
    return image, tf.where(fits, tf.zeros(2, tf.int64), [height, width])


def _marked(data: Tensor) -> Tensor:
    return tf.strings.join([_ADOBE, tf.strings.substr(data, 2, MOST_BYTES)])


def _deep_png(data: Tensor, decoding: Decoding) -> Tensor:
    """Samples of 16 bits as levels, and what is seen through them."""
    samples = tf.io.decode_png(data, channels=4, dtype=tf.uint16)
    levels = levels_of_deep(samples[..., :3], decoding.pixel_range)
    image = tf.concat([levels, levels_of_deep(samples[..., 3:])], -1)
    return flattened(image, decoding.backdrop)


def _other(data: Tensor, backdrop: int | None) -> Tensor:
    image = tf.io.decode_image(data, expand_animations=False)
    if backdrop is None:
        return image[..., :3]
    opaque = tf.fill(tf.shape(image[..., :1]), tf.constant(255, tf.uint8))
    # What has an alpha keeps its own.
    clear: Tensor = tf.concat([image, opaque], -1)
    return flattened(clear[..., :4], backdrop)


def surrounded(image: Tensor, around: Tensor, colour: Tensor) -> Tensor:
    """Put an image on a larger canvas.

    Args:
        image: uint8 `(H, W, 3)`.
        around: int64 `(4,)`: rows above and below, columns before and after.
        colour: uint8 `(3,)`, of those.

    Returns:
        uint8 pixels of the canvas.

    Example:

    >>> image = tf.ones((1, 1, 3), tf.uint8)
    >>> around, colour = tf.constant([0, 0, 1, 0]), tf.constant([9, 9, 9], tf.uint8)
    >>> surrounded(image, around, colour)[..., 0].numpy()
    array([[9, 1]], dtype=uint8)
    """

    def canvas():
        paddings = tf.reshape(around, (2, 2))
        inside: Tensor = tf.pad(tf.ones(tf.shape(image)[:2], tf.bool), paddings)
        larger = tf.pad(image, tf.pad(paddings, [[0, 1], [0, 0]]))
        return tf.where(inside[..., tf.newaxis], larger, colour)

    return tf.cond(tf.reduce_any(around > 0), canvas, lambda: image)
