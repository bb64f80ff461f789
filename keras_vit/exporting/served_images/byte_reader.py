"""The bytes of a file as numbers, in TensorFlow's graph."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

Tensor: TypeAlias = Any  # a tf.Tensor, whose operators type checkers do not know


class ByteReader:
    """Bytes, of which those beyond the end read as 0.

    So nothing here raises for a file that is cut off: what it makes of one is
    for the decoder to refuse.

    Args:
        values: a uint8 vector, or a scalar string.

    Attributes:
        size: how many they are, a scalar, int64.

    Example:

    >>> int(ByteReader(b"\\x01\\x02\\x03").number(1, 4))
    770
    """

    def __init__(self, values: Tensor) -> None:
        values = tf.convert_to_tensor(values)
        if values.dtype == tf.string:
            values = tf.io.decode_raw(values, tf.uint8)
        self.size = tf.size(values, tf.int64)
        self.padded = tf.pad(values, [[0, 1]])

    def number(self, at: Any, count: int = 1, big_endian: Any = False) -> Any:
        """Return an unsigned integer of up to 7 bytes from a place, int64.

        Args:
            at: the place of its first byte.
            count: bytes.
            big_endian: whether the highest byte comes first; may be a tensor.
        """
        at = tf.minimum(tf.cast(at, tf.int64) + np.arange(count), self.size)
        digits = tf.cast(tf.gather(self.padded, at), tf.int64)
        places = 256 ** np.arange(count)
        if not isinstance(big_endian, bool):
            places = tf.where(big_endian, places[::-1], places)
        elif big_endian:
            places = places[::-1]
        return tf.reduce_sum(digits * places)

    def part(self, start: Tensor, stop: Tensor) -> Tensor:
        """Return the bytes from one place to before another, as a uint8 vector."""
        start = tf.clip_by_value(tf.cast(start, tf.int64), 0, self.size)
        stop = tf.clip_by_value(tf.cast(stop, tf.int64), start, self.size)
        return self.padded[start:stop]

    def walk(
        self,
        start: Tensor,
        look: Callable[[Tensor], tuple[Tensor, Tensor]],
        most: int = 10_000,
    ) -> Tensor:
        """Go from piece to piece of a file until one is the right one.

        Args:
            start: where the first piece lies.
            look: a function of a piece's place that says whether it is the
                right one, and where the next one lies.
            most: how many pieces are looked at.

        Returns:
            The right one's place, int64; the file's end if there is none.

        Example:

        >>> pieces = ByteReader(b"\\x02.\\x03..\\x09")
        >>> def look(at):
        ...     length = pieces.number(at)
        ...     return length == 9, at + length
        >>> int(pieces.walk(0, look))
        5
        """

        def body(at, found):
            del found
            found, after = look(at)
            return tf.where(found, at, tf.minimum(after, self.size)), found

        at, found = tf.while_loop(
            lambda at, found: ~found & (at < self.size),
            body,
            (tf.cast(start, tf.int64), tf.constant(False)),
            maximum_iterations=most,
        )
        return tf.where(found, at, self.size)


def code(text: bytes) -> int:
    """Return the number that `ByteReader.number` reads where a text stands.

    Example:

    >>> int(ByteReader(b"RIFF").number(0, 4)) == code(b"RIFF")
    True
    """
    return int.from_bytes(text, "little")


def contains(data: Tensor, pattern: str) -> Tensor:
    """Return whether a scalar string contains what a regular expression says.

    Example:

    >>> bool(contains(b"some Exif", "E.if"))
    True
    """
    without = tf.strings.regex_replace(data, pattern, "", replace_global=False)
    return tf.strings.length(without) != tf.strings.length(data)
