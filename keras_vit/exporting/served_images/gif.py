"""GIF files: the first frame, by itself.

TensorFlow's operation decodes every frame before it returns the first, and takes
transparent colours for black. It is given a file of the first frame alone, in whose
palette the transparent colour is the background's.
"""

from typing import Any

import tensorflow as tf

from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.byte_reader import ByteReader, Tensor
from keras_vit.exporting.served_images.limits import within

_EXTENSION, _FRAME, _CONTROL = 0x21, 0x2C, 0x04F921  # the last says what is clear
_HEAD = 13  # bytes before the palette
_MOST_EXTENSIONS = 50  # before the frame
_RUN = 4096  # full blocks that one step can pass


def read_gif(data: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor]:
    """Read the first frame of a GIF file, on its canvas.

    Args:
        data: its bytes, a scalar string.
        decoding: a `keras_vit.decoding.Decoding`, whose background is seen where
            the frame is transparent. Where it does not reach is its transparent
            colour, or the palette's first, as Pillow has it.

    Returns:
        As `limits.within`.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, for damaged files.
    """
    reader = ByteReader(data)
    first = _HEAD + _palette_size(reader.number(10))
    frame = _first_frame(reader, first)
    own = _palette_size(reader.number(frame + 9))
    end = _end_of_blocks(reader, frame + 11 + own)
    left, top, width, height = (reader.number(frame + n, 2) for n in (1, 3, 5, 7))
    below = tf.maximum(reader.number(8, 2) - top - height, 0)
    after = tf.maximum(reader.number(6, 2) - left - width, 0)

    def decode():
        clear, number = _clear_colour(reader, frame)
        place = tf.where(own > 0, frame + 10, _HEAD) + 3 * number
        file = data
        if decoding.backdrop is not None:
            file = tf.where(clear, _replaced(data, place, decoding.backdrop), data)
        colour = tf.io.decode_raw(_piece(file, place, place + 3), tf.uint8)
        head = _piece(file, 0, 6), _piece(file, frame + 5, frame + 9)
        alone = _piece(file, 10, first), b",\0\0\0\0", _piece(file, frame + 5, end)
        file = tf.strings.join([*head, *alone, b";"])
        image = tf.io.decode_image(file, expand_animations=False)
        around = [[top, below], [left, after], [0, 0]]
        reached = tf.pad(tf.ones_like(image, tf.bool), around)
        return tf.where(reached, tf.pad(image, around), colour)

    sides = top + height + below, left + width + after
    return within(*sides, decoding.max_pixels, decode)


def _clear_colour(reader: ByteReader, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Whether a colour is transparent, and its number in the palette, or else 0.

    A block of eight bytes before the frame names it, if there is one.
    """
    clear = reader.number(frame - 8, 3) == _CONTROL
    clear &= reader.number(frame - 5) % 2 == 1
    return clear, tf.where(clear, reader.number(frame - 2), 0)


def _replaced(data: Tensor, place: Tensor, backdrop: int) -> Tensor:
    """The file with the background's colour at a place."""
    end = tf.cast(tf.strings.length(data), place.dtype)
    parts = _piece(data, 0, place), bytes([backdrop]) * 3, _piece(data, place + 3, end)
    return tf.strings.join(parts)


def _piece(data: Tensor, start: Any, stop: Any) -> Tensor:
    """The bytes from one place to before another, a string; raises beyond the end."""
    return tf.strings.substr(data, *tf.unstack(tf.stack([start, stop - start])))


def _palette_size(flags: Tensor) -> Tensor:
    """Bytes of the palette that a picture's flags announce."""
    return tf.where(flags >= 0x80, 3 * 2 ** (flags % 8 + 1), 0)


def _first_frame(reader: ByteReader, start: Tensor) -> Tensor:
    """Where the first frame begins; the file's end if there is none."""

    def look(at):
        mark = reader.number(at)
        after = tf.cond(
            mark == _EXTENSION,
            lambda: _end_of_blocks(reader, at + 2),
            lambda: reader.size,
        )
        return mark == _FRAME, after

    return reader.walk(start, look, _MOST_EXTENSIONS)


def _end_of_blocks(reader: ByteReader, start: Tensor) -> Tensor:
    """Where blocks of one length byte and as many more end, by an empty one.

    Beyond the file's end if they are cut off.
    """

    def look(at):
        full = tf.cast(reader.padded[at : at + 256 * _RUN : 256] == 255, tf.int64)
        passed = 256 * tf.reduce_sum(tf.math.cumprod(full))
        length = reader.number(at)
        return length == 0, at + tf.where(passed > 0, passed, length + 1)

    return reader.walk(start, look) + 1
