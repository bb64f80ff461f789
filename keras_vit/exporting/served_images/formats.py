"""The formats that are read, one per row."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import tensorflow as tf

from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.bmp import prepare_bmp
from keras_vit.exporting.served_images.byte_reader import ByteReader, Tensor, contains
from keras_vit.exporting.served_images.gif import prepare_gif
from keras_vit.exporting.served_images.orientation import (
    in_jpeg,
    in_png,
    in_webp,
    nowhere,
)
from keras_vit.exporting.served_images.prepared import (
    CLEAR_PNG,
    DEEP_PNG,
    JPEG,
    PNG,
    Prepared,
    prepared,
    too_many,
)
from keras_vit.exporting.served_images.webp import prepare_webp

# Compressed texts in a PNG, of which libpng would unpack 8 MB each. With another
# name they are chunks that it does not know, and passes over.
_TEXTS = r"[zi]TXt(\C{1,79}\x00\x00|\C{1,79}\x00\x01\x00)"
_WITH_ALPHA, _MOST_BITS = (4, 6), 16  # types of colour in PNG, bits of a channel
HEAD = 16  # bytes that tell the format


@dataclass(frozen=True)
class Format:
    """A kind of image file.

    Attributes:
        name: as people write it.
        starts: what its files begin with: places, and the texts there.
        prepare: from the file's bytes, a scalar string, and a
            `keras_vit.decoding.Decoding` to a `Prepared`.
        find_exif: which part of the file, `ByteReader`, is Exif.
        mark: what is somewhere in a file that has Exif, a regular expression;
            `None` where no file has.
        failure: why a file of this kind is not decoded.
    """

    name: str
    starts: tuple[tuple[int, bytes], ...]
    prepare: Callable[[tf.Tensor, Decoding], Prepared]
    find_exif: Callable[[ByteReader], tf.Tensor] = nowhere
    mark: str | None = None
    _: KW_ONLY
    failure: str = "damaged or cut"

    def begins(self, heads: Tensor) -> Tensor:
        """Return whether files begin as one of this kind, of their first `HEAD` bytes.

        Args:
            heads: strings `(B,)`, which may be shorter.

        Returns:
            `(B,)`, bool.
        """
        heads = tf.strings.join([heads, bytes(HEAD)])
        parts = [
            tf.strings.substr(heads, at, len(text)) == text for at, text in self.starts
        ]
        return tf.reduce_all(parts, 0)


def prepare_jpeg(data: Tensor, decoding: Decoding) -> Prepared:
    """Prepare a JPEG file, whose sides are read only as it is decoded."""
    del decoding
    return prepared(JPEG, data)


def prepare_png(data: Tensor, decoding: Decoding) -> Prepared:
    """Prepare a PNG file: one of 16 bits, or with transparency, in its own way."""
    head = ByteReader(tf.strings.substr(data, 0, 26))
    width, height = (head.number(at, 4, big_endian=True) for at in (16, 20))
    clear = tf.reduce_any(head.number(25) == _WITH_ALPHA) | contains(data, "tRNS")
    way = tf.where(head.number(24) == _MOST_BITS, DEEP_PNG, PNG)
    return prepared(
        tf.where((way == PNG) & clear, CLEAR_PNG, way),
        tf.strings.regex_replace(data, _TEXTS, r"teXt\1"),
        error=too_many(height, width, decoding.max_pixels),
    )


_OLD = "damaged or cut, or TensorFlow is older than 2.20"
FORMATS = (
    Format("JPEG", ((0, b"\xff\xd8\xff"),), prepare_jpeg, in_jpeg, r"Exif\x00\x00"),
    Format("PNG", ((0, b"\x89PNG\r\n\x1a\n"),), prepare_png, in_png, "eXIf"),
    Format(
        "WebP",
        ((0, b"RIFF"), (8, b"WEBP")),
        prepare_webp,
        in_webp,
        "EXIF",
        failure=_OLD,
    ),
    Format("BMP", ((0, b"BM"),), prepare_bmp),
    Format("GIF", ((0, b"GIF8"),), prepare_gif),
)
