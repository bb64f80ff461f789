"""How the camera was held, as a file notes it in Exif or in XMP."""

from collections.abc import Callable

import tensorflow as tf

from keras_vit.exporting.served_images.byte_reader import (
    ByteReader,
    Tensor,
    code,
    contains,
)

_ABSENT = -1
_MARK = b"Exif\0\0"
_XMP = "tiff:Orientation"
_SHORT, _LONG = 3, 4  # the types of TIFF in which an orientation can be told
# How an image comes to stand upright, by its orientation from 1 on: whether rows
# become columns, and whether rows, and columns, are put in the opposite order then.
_TURNS = (
    (False, False, False),
    (False, False, True),
    (False, True, True),
    (False, True, False),
    (True, False, False),
    (True, False, True),
    (True, True, True),
    (True, True, False),
)


def may_be_noted(data: Tensor) -> Tensor:
    """Return whether a file, a scalar string, seems to note an orientation."""
    return contains(data, f"(?i:exif)|{_XMP}")


def orientation_of(data: Tensor, exif: Tensor) -> Tensor:
    """Return the orientation that a file notes.

    Args:
        data: its bytes, a scalar string.
        exif: those that are Exif, a uint8 vector; none if there is none.

    Returns:
        A scalar, int32: 1 to 8 as Exif counts them; any other number means 1,
        that the image stands upright.
    """
    orientation = of_exif(exif)
    pattern = rf"\C*?{_XMP}(=\"|>)([0-9])\C*"  # which Pillow reads where Exif is silent
    in_xmp = (orientation == _ABSENT) & tf.strings.regex_full_match(data, pattern)

    def of_xmp():
        digit = tf.strings.regex_replace(data, pattern, r"\2")
        return tf.strings.to_number(digit, tf.int32)

    return tf.cond(in_xmp, of_xmp, lambda: orientation)


def in_jpeg(reader: ByteReader) -> Tensor:
    """Return the Exif in a JPEG file: a segment before the picture itself."""

    def look(at):
        marker = reader.number(at, 2, big_endian=True)
        found = (marker == 0xFFE1) & (reader.number(at + 4, 6) == code(_MARK))
        after = at + 2 + reader.number(at + 2, 2, big_endian=True)
        after = tf.where(marker == 0xFFFF, at + 1, after)  # may fill any gap
        ended = (marker < 0xFF00) | (marker == 0xFFDA) | (marker == 0xFFD9)
        return found, tf.where(ended, reader.size, after)

    at = reader.walk(2, look)
    return reader.part(at + 4, at + 2 + reader.number(at + 2, 2, big_endian=True))


def in_png(reader: ByteReader) -> Tensor:
    """Return the Exif in a PNG file: a chunk of a length, a name, and a sum."""
    return _chunk(reader, 8, b"eXIf", 0, lambda length: length + 12)


def in_webp(reader: ByteReader) -> Tensor:
    """Return the Exif in a WebP file: a chunk of a name and a length, made even."""
    return _chunk(reader, 12, b"EXIF", 4, lambda length: length + length % 2 + 8)


def _chunk(
    reader: ByteReader,
    start: int,
    name: bytes,
    length_at: int,
    step: Callable[[Tensor], Tensor],
) -> Tensor:
    """The contents of the first chunk of a name; where its length is, it is not."""

    def length(at):
        return reader.number(at + length_at, 4, big_endian=length_at == 0)

    def look(at):
        found = reader.number(at + 4 - length_at, 4) == code(name)
        return found, at + step(length(at))

    at = reader.walk(start, look)
    return reader.part(at + 8, at + 8 + length(at))


def of_exif(values: Tensor) -> Tensor:
    """Return the orientation that Exif notes, or -1.

    Args:
        values: its bytes, a uint8 vector of any length.

    Returns:
        A scalar, int32. Notes are often damaged where images are not, so that
        nothing raises.

    Example:

    >>> entry = bytes([1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0])
    >>> tiff = b"MM\\0*" + bytes([0, 0, 0, 8, 0, 1]) + entry
    >>> int(of_exif(np.frombuffer(tiff, np.uint8)))
    6
    """
    tiff = ByteReader(values)
    marked = tiff.number(0, 6) == code(_MARK)
    tiff = ByteReader(tiff.part(tf.where(marked, 6, 0), tiff.size))
    big = tiff.number(0) == ord("M")
    known = tiff.number(0, 4)
    known = (known == code(b"II*\0")) | (known == code(b"MM\0*"))
    first = tiff.number(4, 4, big)
    count = (tiff.size - first - 2) // 12  # a directory may be cut off
    count = tf.clip_by_value(tiff.number(first, 2, big), 0, tf.maximum(count, 0))
    entries = tiff.part(first + 2, first + 2 + 12 * count)
    entries = tf.cast(tf.reshape(entries, (-1, 12)), tf.int32)

    def short(column):  # (entries,)
        one, other = entries[:, column], entries[:, column + 1]
        return tf.where(big, 256 * one + other, 256 * other + one)

    kind, values = short(2), short(4) + short(6)
    value = tf.where(big & (kind == _LONG), short(10), short(8))
    right = (short(0) == 0x0112) & (values == 1)
    right &= known & ((kind == _SHORT) | (kind == _LONG))
    return tf.reduce_max(tf.concat([[_ABSENT], tf.where(right, value, _ABSENT)], 0))


def upright(image: Tensor, orientation: Tensor) -> Tensor:
    """Turn pixels `(H, W, 3)` as an orientation says.

    Example:

    >>> image = tf.reshape(tf.range(6), (1, 2, 3))
    >>> upright(image, tf.constant(6)).shape.as_list()
    [2, 1, 3]
    """

    def turned():
        transposed, rows, columns = tf.unstack(tf.gather(_TURNS, orientation - 1))
        order: Tensor = tf.where(transposed, [1, 0, 2], [0, 1, 2])
        flipped = tf.stack([rows, columns, False])
        return tf.raw_ops.Reverse(tensor=tf.transpose(image, order), dims=flipped)

    noted = (orientation > 1) & (orientation <= len(_TURNS))
    return tf.cond(noted, turned, lambda: image)
