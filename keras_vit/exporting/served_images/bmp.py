"""BMP files, decoded from their bytes.

TensorFlow's own operation takes the numbers of a palette's colours for grey.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.data.levels import flattened
from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.byte_reader import ByteReader, Tensor
from keras_vit.exporting.served_images.prepared import BMP, Prepared, prepared, too_many

BITS = (1, 4, 8, 24, 32)  # of a pixel; up to 8 count the colours of a palette
_NO_MASKS, _MASKS = 0, 3  # that say where in a pixel its colours lie
_USUAL_MASKS = (0xFF0000, 0xFF00, 0xFF)  # of red, green and blue: blue first
_WITH_ALPHA_MASK, _ALPHA_MASK = 56, 0xFF000000  # the bytes of a header; the mask
_REFUSAL = (
    "not a readable BMP image: expected uncompressed pixels of "
    f"{', '.join(map(str, BITS[:-1]))} or {BITS[-1]} bits"
)


def prepare_bmp(data: Tensor, decoding: Decoding) -> Prepared:
    """Prepare a BMP file.

    Args:
        data: its bytes, a scalar string.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        A `Prepared`.
    """
    reader = ByteReader(tf.strings.substr(data, 0, 70))
    height, width, _ = _sides(reader)
    bits, way = reader.number(28, 2), reader.number(30, 4)
    usual = way == _NO_MASKS
    masked = (way == _MASKS) & (bits >= 24)
    for place, mask in enumerate(_USUAL_MASKS):
        masked &= reader.number(54 + 4 * place, 4) == mask
    header = reader.number(14, 4)
    known = (header >= 40) & tf.reduce_any(bits == BITS)
    palette = tf.where(bits <= 8, tf.constant(1, tf.int64), 0)
    known &= reader.number(10, 4) >= 14 + header + palette  # where pixels begin
    refusal = tf.where(known & (usual | masked), "", _REFUSAL)
    many = too_many(height, width, decoding.max_pixels)
    return prepared(BMP, data, error=tf.where(many == "", refusal, many))


def decode_bmp(data: Tensor, backdrop: int | None = None) -> Tensor:
    """Return the pixels of a BMP file that was prepared, uint8, `(H, W, 3)`.

    Args:
        data: its bytes, a scalar string.
        backdrop: the level behind transparent pixels; `None`: they are none.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, if some are missing.
    """
    reader = ByteReader(data)
    height, width, upwards = _sides(reader)
    bits = reader.number(28, 2)
    start, stride = reader.number(10, 4), (width * bits + 31) // 32 * 4
    rows = reader.part(start, start + stride * height)
    rows = tf.reshape(rows, (height, stride))  # raises where some are missing
    rows = tf.raw_ops.Reverse(tensor=rows, dims=tf.stack([upwards, False]))
    return tf.cond(
        bits <= 8,
        lambda: _coloured(reader, _split(rows, bits, width)),
        lambda: _pixels(reader, rows, width, bits // 8, backdrop),
    )


def _sides(reader: ByteReader) -> Any:
    """Height and width, and whether the last row lies first."""
    width, height = reader.number(18, 4), reader.number(22, 4)
    upwards = height < 2**31  # as a negative number says that it does not
    return tf.where(upwards, height, 2**32 - height), width, upwards


def _pixels(
    reader: ByteReader, rows: Tensor, width: Tensor, count: Tensor, backdrop: int | None
) -> Tensor:
    """Pixels of 3 or 4 bytes: blue, green, red, and alpha if the header says so."""
    pixels: Tensor = tf.reshape(rows[:, : width * count], (-1, width, count))
    colours = pixels[..., 2::-1]
    long = reader.number(14, 4) >= _WITH_ALPHA_MASK
    clear = long & (reader.number(66, 4) == _ALPHA_MASK) & (count == 4)
    clear &= reader.number(30, 4) == _MASKS
    return tf.cond(
        clear,
        lambda: flattened(tf.concat([colours, pixels[..., -1:]], -1), backdrop),
        lambda: colours,
    )


def _split(rows: Tensor, bits: Tensor, width: Tensor) -> Tensor:
    """Numbers of colours, `(height, width)`, of which a byte holds 1, 2 or 8."""
    each = 8 // bits
    shifts = tf.cast(8 - bits * (1 + tf.range(each)), tf.uint8)
    parts = tf.bitwise.right_shift(rows[..., tf.newaxis], shifts)
    parts = tf.bitwise.bitwise_and(parts, tf.cast(2**bits - 1, tf.uint8))
    return tf.reshape(parts, (tf.shape(rows)[0], -1))[:, :width]


def _coloured(reader: ByteReader, numbers: Tensor) -> Tensor:
    """Pixels of a palette's colours; of those it lacks, black, as Pillow has it.

    But where the palette is a part of all greys, those that follow are meant.
    """
    start = 14 + reader.number(14, 4)
    bits, count = reader.number(28, 2), reader.number(46, 4)
    count = tf.where(count == 0, 2**bits, tf.minimum(count, 256))
    palette = tf.reshape(reader.part(start, start + 4 * count), (-1, 4))[:, 2::-1]
    count = tf.shape(palette)[0]
    greys = tf.constant(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))
    grey = tf.reduce_all(palette == greys[:count])
    palette = tf.concat([palette, tf.where(grey, greys, 0)[count:]], 0)
    return tf.gather(palette, tf.cast(numbers, tf.int32))
