"""WebP files: the picture, or the first frame of an animation, by itself.

TensorFlow's operation reads single pictures. It is given nothing else: a file of
one bitstream alone, without the chunks around it and without the transparency
beside it.
"""

import tensorflow as tf

from keras_vit.exporting.served_images.octets import Octets, code, piece
from keras_vit.exporting.served_images.prepared import OTHER, prepared, too_many

_LOSSY, _LOSSLESS, _FRAME, _EXTENDED = map(code, (b"VP8 ", b"VP8L", b"ANMF", b"VP8X"))
_HEAD = 12  # bytes before the first chunk


def prepare_webp(data):
    """Prepares a WebP file.

    Args:
        data: its bytes, a scalar string.

    Returns:
        A `Prepared`.
    """
    octets = Octets(data)
    at, frame = _bitstream(octets)
    height, width = _sides(octets, at)
    extended = octets.number(_HEAD, 4) == _EXTENDED
    animated = extended & (frame < octets.size)
    left, top = (2 * octets.number(frame + n, 3) for n in (8, 11))
    below = octets.number(_HEAD + 15, 3) + 1 - top - height
    after = octets.number(_HEAD + 12, 3) + 1 - left - width
    around = tf.where(animated, tf.maximum([top, below, left, after], 0), 0)
    length = octets.number(at + 4, 4)
    chunk = piece(data, at, at + 8 + length + length % 2)
    size = _four_bytes(tf.strings.length(chunk) + 4)
    return prepared(
        OTHER,
        tf.strings.join([b"RIFF", size, b"WEBP", chunk]),
        around,
        error=too_many(height + around[0] + around[1], width + around[2] + around[3]),
    )


def _bitstream(octets):
    """The places of the first bitstream's chunk, and of the frame's that holds it."""

    def look(at):
        kind, length = octets.number(at, 4), octets.number(at + 4, 4)
        after = at + 8 + length + length % 2
        after = tf.where(kind == _FRAME, at + 8 + 16, after)  # goes into a frame
        return (kind == _LOSSY) | (kind == _LOSSLESS), after

    def frame(at):
        length = octets.number(at + 4, 4)
        return octets.number(at, 4) == _FRAME, at + 8 + length + length % 2

    return octets.walk(_HEAD, look), octets.walk(_HEAD, frame)


def _sides(octets, at):
    """Height and width as a bitstream itself has them, 14 bits each."""
    packed = octets.number(at + 9, 4)
    lossless = [packed // 2**14 % 2**14 + 1, packed % 2**14 + 1]
    lossy = [octets.number(place, 2) % 2**14 for place in (at + 16, at + 14)]
    is_lossless = octets.number(at, 4) == _LOSSLESS
    return tf.unstack(tf.where(is_lossless, lossless, lossy))


def _four_bytes(number):
    """A number as a file has it, lowest byte first: a string."""
    each = tf.bitwise.right_shift(tf.cast(number, tf.int32), [0, 8, 16, 24]) % 256
    return tf.strings.reduce_join(tf.gather([bytes([n]) for n in range(256)], each))
