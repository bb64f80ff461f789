"""WebP files: the picture, or the first frame of an animation, by itself.

TensorFlow's operation reads single pictures. It is given nothing else: a file of
one bitstream, and of the transparency beside it, without the other chunks around it.
"""

from typing import Any

import tensorflow as tf

from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.byte_reader import (
    ByteReader,
    Tensor,
    code,
    piece,
)
from keras_vit.exporting.served_images.prepared import (
    OTHER,
    Prepared,
    prepared,
    too_many,
)

_LOSSY, _LOSSLESS, _FRAME, _EXTENDED = map(code, (b"VP8 ", b"VP8L", b"ANMF", b"VP8X"))
_ALPHA, _HAS_ALPHA = code(b"ALPH"), 0x10  # a chunk, and a flag of an extended file
_HEAD = 12  # bytes before the first chunk


def prepare_webp(data: Tensor, decoding: Decoding) -> Prepared:
    """Prepare a WebP file.

    Args:
        data: its bytes, a scalar string.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        A `Prepared`.
    """
    reader = ByteReader(data)
    at, frame = _bitstream(reader)
    height, width = _sides(reader, at)
    extended = reader.number(_HEAD, 4) == _EXTENDED
    animated = extended & (frame < reader.size)
    left, top = (2 * reader.number(frame + n, 3) for n in (8, 11))
    below = reader.number(_HEAD + 15, 3) + 1 - top - height
    after = reader.number(_HEAD + 12, 3) + 1 - left - width
    around = tf.where(animated, tf.maximum([top, below, left, after], 0), 0)
    chunk = _chunk(data, reader, at)
    if decoding.backdrop is not None:
        chunk = _with_alpha(data, reader, at, height, width)
    size = _four_bytes(tf.strings.length(chunk) + 4)
    clear = extended & (reader.number(_HEAD + 8) // _HAS_ALPHA % 2 == 1)
    return prepared(
        OTHER,
        tf.strings.join([b"RIFF", size, b"WEBP", chunk]),
        around,
        tf.fill([3], tf.where(clear, decoding.backdrop or 0, 0)),
        error=too_many(
            height + around[0] + around[1],
            width + around[2] + around[3],
            decoding.max_pixels,
        ),
    )


def _chunk(data: Tensor, reader: ByteReader, at: Tensor) -> Tensor:
    length = reader.number(at + 4, 4)
    return piece(data, at, at + 8 + length + length % 2)


def _with_alpha(
    data: Tensor, reader: ByteReader, at: Tensor, height: Tensor, width: Tensor
) -> Tensor:
    """A bitstream's chunk, after that of its transparency if that is another."""
    alpha, _ = _bitstream(reader, (_LOSSY, _LOSSLESS, _ALPHA))
    flags = tf.strings.join([b"VP8X", _four_bytes(10), bytes([_HAS_ALPHA, 0, 0, 0])])
    sides = [tf.strings.substr(_four_bytes(one - 1), 0, 3) for one in (width, height)]
    alone = _chunk(data, reader, at)
    both = tf.strings.join([flags, *sides, _chunk(data, reader, alpha), alone])
    return tf.where(reader.number(alpha, 4) == _ALPHA, both, alone)


def _bitstream(
    reader: ByteReader, kinds: tuple[int, ...] = (_LOSSY, _LOSSLESS)
) -> tuple[Tensor, Tensor]:
    """The places of the first chunk of a kind, and of the frame's that holds it."""

    def look(at):
        kind, length = reader.number(at, 4), reader.number(at + 4, 4)
        after = at + 8 + length + length % 2
        after = tf.where(kind == _FRAME, at + 8 + 16, after)  # goes into a frame
        return tf.reduce_any(kind == kinds), after

    def frame(at):
        length = reader.number(at + 4, 4)
        return reader.number(at, 4) == _FRAME, at + 8 + length + length % 2

    return reader.walk(_HEAD, look), reader.walk(_HEAD, frame)


def _sides(reader: ByteReader, at: Tensor) -> Any:
    """Height and width as a bitstream itself has them, 14 bits each."""
    packed = reader.number(at + 9, 4)
    lossless = [packed // 2**14 % 2**14 + 1, packed % 2**14 + 1]
    lossy = [reader.number(place, 2) % 2**14 for place in (at + 16, at + 14)]
    is_lossless = reader.number(at, 4) == _LOSSLESS
    return tf.unstack(tf.where(is_lossless, lossless, lossy))


def _four_bytes(number: Tensor) -> Tensor:
    """A number as a file has it, lowest byte first: a string."""
    each = tf.bitwise.right_shift(tf.cast(number, tf.int32), [0, 8, 16, 24]) % 256
    return tf.strings.reduce_join(tf.gather([bytes([n]) for n in range(256)], each))
