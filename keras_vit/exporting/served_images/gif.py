"""GIF files: the first frame of an animation, by itself.

TensorFlow's operation decodes every frame before it gives the first, and takes
colours that are to be seen through for black. It is given a file of that frame
alone, without the notes on what is transparent; in the palette that colour is the
background's.
"""

import tensorflow as tf

from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.byte_reader import ByteReader, Tensor, piece
from keras_vit.exporting.served_images.prepared import (
    OTHER,
    Prepared,
    prepared,
    too_many,
)

_MOST_STEPS = 10_000  # of at most 1 MB each
_RUN = 4096  # full blocks that one step can pass
_EXTENSION, _FRAME = 0x21, 0x2C
_CONTROL = 0xF9  # of the extension that says which colour is transparent
_HEAD = 13  # bytes before the palette


def prepare_gif(data: Tensor, decoding: Decoding) -> Prepared:
    """Prepare a GIF file.

    Args:
        data: its bytes, a scalar string.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        A `Prepared`.
    """
    reader = ByteReader(data)
    colours = _HEAD + _palette_size(reader.number(10))
    frame, end, clear = _first_frame(reader, colours)
    own = reader.number(frame + 9) >= 0x80  # a palette
    colour = tf.where(own, frame + 10, _HEAD) + 3 * tf.maximum(clear, 0)
    if decoding.backdrop is not None:
        data = _with_colour(data, colour, bytes([decoding.backdrop]) * 3, clear >= 0)
        reader = ByteReader(data)
    left, top, width, height = (reader.number(frame + n, 2) for n in (1, 3, 5, 7))
    below = tf.maximum(reader.number(8, 2) - top - height, 0)
    after = tf.maximum(reader.number(6, 2) - left - width, 0)

    sides = piece(data, frame + 5, frame + 9)
    head = piece(data, 0, 6), sides, piece(data, 10, colours)
    alone = b",\0\0\0\0", piece(data, frame + 5, end), b";"
    return prepared(
        OTHER,
        tf.strings.join([*head, *alone]),
        [top, below, left, after],
        [reader.number(colour + n) for n in range(3)],
        error=too_many(top + height + below, left + width + after, decoding.max_pixels),
    )


def _with_colour(data: Tensor, at: Tensor, colour: Tensor, noted: Tensor) -> Tensor:
    """The file with another colour at a place of a palette, if one is noted."""
    parts = piece(data, 0, at), colour, piece(data, at + 3, tf.strings.length(data))
    return tf.where(noted, tf.strings.join(parts), data)


def _palette_size(flags: Tensor) -> Tensor:
    """Bytes of the palette that a picture's flags announce."""
    return tf.where(flags >= 0x80, 3 * 2 ** (flags % 8 + 1), 0)


def _first_frame(reader: ByteReader, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the first frame begins and ends, and which colour is transparent in it.

    Both are the file's end if there is none, or a part of one; -1: no colour is.
    """

    def within(at, frame, clear):
        """Pass blocks of one length byte and as many more; an empty one ends."""
        full = reader.padded[at : at + 256 * _RUN : 256] == 255
        at += 256 * tf.reduce_sum(tf.math.cumprod(tf.cast(full, tf.int64)))
        length = reader.number(at)
        return at + 1 + length, frame, clear, length != 0

    def between(at, frame, clear):
        mark, flags = reader.number(at), reader.number(at + 9)
        of_frame = at + 11 + _palette_size(flags)
        noted = (reader.number(at + 1) == _CONTROL) & (reader.number(at + 3) % 2 == 1)
        noted &= mark == _EXTENSION
        after = tf.where(mark == _EXTENSION, at + 2, reader.size)
        return (
            tf.where(mark == _FRAME, of_frame, after),
            tf.where(mark == _FRAME, at, frame),
            tf.where(noted, reader.number(at + 6), clear),
            tf.constant(True),
        )

    at, frame, clear, inside = tf.while_loop(
        lambda at, frame, _, inside: (inside | (frame < 0)) & (at < reader.size),
        lambda at, frame, clear, inside: tf.cond(
            inside, lambda: within(at, frame, clear), lambda: between(at, frame, clear)
        ),
        (start, tf.constant(-1, tf.int64), tf.constant(-1, tf.int64), False),
        maximum_iterations=_MOST_STEPS,
    )
    whole = ~inside & (frame >= 0) & (at <= reader.size)
    return tf.where(whole, frame, reader.size), tf.where(whole, at, reader.size), clear
