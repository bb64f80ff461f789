"""The formats that are read, one per row, by TensorFlow's own operations.

These have no limits of their own: the header is read first, by `within`.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

import tensorflow as tf

from keras_vit.data.decoding import ACCURATE
from keras_vit.data.images import MOST_BYTES
from keras_vit.data.levels import flattened, levels_of_deep
from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.byte_reader import (
    ByteReader,
    Tensor,
    code,
    contains,
)
from keras_vit.exporting.served_images.gif import read_gif
from keras_vit.exporting.served_images.limits import within
from keras_vit.exporting.served_images.orientation import in_jpeg, in_png, in_webp

# Files of four components whose ink is counted from the paper's white are marked
# so by Adobe. Pillow takes all for such files; a mark of their own counts still.
_ADOBE = b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
# Compressed texts in a PNG, of which libpng would unpack 8 MB each. With another
# name they are chunks that it does not know, and passes over.
_TEXTS = r"[zi]TXt(\C{1,79}\x00\x00|\C{1,79}\x00\x01\x00)"
_WITH_ALPHA, _MOST_BITS = (4, 6), 16  # types of colour in PNG, bits of a channel
# Of WebP: the chunks of a lossless picture, and of a header that may tell of more.
_LOSSLESS, _EXTENDED = code(b"VP8L"), code(b"VP8X")
_ANIMATED = 0x02  # a flag of that header
# Of BMP: compression by none, or by masks that say where in a pixel its colours lie.
_NO_MASKS, _MASKS = 0, 3
_USUAL_MASKS = (0xFF0000, 0xFF00, 0xFF)  # of red, green and blue: blue first
_WITH_ALPHA_MASK, _ALPHA_MASK = 56, 0xFF000000  # the bytes of a header; the mask

Read = Callable[[Tensor, Decoding], tuple[Tensor, Tensor]]


def read_jpeg(data: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor]:
    """Read a JPEG file; of four components as Pillow does, whoever wrote it.

    Args:
        data: its bytes, a scalar string.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        As `limits.within`, as the other functions in here do.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, for damaged files.
    """
    height, width, components = tf.unstack(tf.image.extract_jpeg_shape(data, tf.int64))

    def decode():
        parts = [_ADOBE, tf.strings.substr(data, 2, MOST_BYTES)]
        file = tf.cond(components == 4, lambda: tf.strings.join(parts), lambda: data)
        return tf.io.decode_jpeg(file, channels=3, dct_method=ACCURATE)

    return within(height, width, decoding.max_pixels, decode)


def read_png(data: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor]:
    """Read a PNG file; one of 16 bits, or with transparency, in its own way."""
    head = ByteReader(tf.strings.substr(data, 0, 26))
    width, height = (head.number(at, 4, big_endian=True) for at in (16, 20))
    clear = tf.reduce_any(head.number(25) == _WITH_ALPHA) | contains(data, "tRNS")
    file = tf.strings.regex_replace(data, _TEXTS, r"teXt\1")

    def deep():
        samples = tf.io.decode_png(file, channels=4, dtype=tf.uint16)
        levels = levels_of_deep(samples[..., :3], decoding.pixel_range)
        return tf.concat([levels, levels_of_deep(samples[..., 3:])], -1)

    ways = [
        lambda: tf.io.decode_png(file, channels=3),
        lambda: flattened(tf.io.decode_png(file, channels=4), decoding.backdrop),
        lambda: flattened(deep(), decoding.backdrop),
    ]
    way = tf.where(head.number(24) == _MOST_BITS, 2, tf.cast(clear, tf.int32))
    return within(height, width, decoding.max_pixels, lambda: tf.switch_case(way, ways))


def read_webp(data: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor]:
    """Read a WebP file of one picture; an animation raises.

    The operation holds all frames of these at once, however many there are. A
    still picture it refuses itself if its own sides are not those of the header.
    """
    head = ByteReader(tf.strings.substr(data, 0, 30))
    kind, packed = head.number(12, 4), head.number(21, 4)
    extended = kind == _EXTENDED
    animated = extended & (head.number(20) // _ANIMATED % 2 == 1)
    height, width = tf.unstack(
        tf.where(
            extended,
            [head.number(27, 3) + 1, head.number(24, 3) + 1],
            tf.where(
                kind == _LOSSLESS,
                [packed // 2**14 % 2**14 + 1, packed % 2**14 + 1],
                [head.number(28, 2) % 2**14, head.number(26, 2) % 2**14],
            ),
        )
    )

    def decode():
        file = tf.where(animated, "", data)
        image = tf.io.decode_image(file, expand_animations=False)
        return _flattened(image, tf.constant(True), decoding.backdrop)

    return within(height, width, decoding.max_pixels, decode)


def read_bmp(data: Tensor, decoding: Decoding) -> tuple[Tensor, Tensor]:
    """Read a BMP file of 8 bits with a palette, of 24 or of 32; others raise."""
    head = ByteReader(tf.strings.substr(data, 0, 70))
    size, start, bits = head.number(14, 4), head.number(10, 4), head.number(28, 2)
    width, height, way = head.number(18, 4), head.number(22, 4), head.number(30, 4)
    # A negative height says that the first row comes first.
    height = tf.where(height < 2**31, height, 2**32 - height)
    masks = [head.number(54 + 4 * n, 4) for n in range(len(_USUAL_MASKS))]
    usual = (way == _MASKS) & tf.reduce_all(tf.stack(masks) == _USUAL_MASKS)
    known = (way == _NO_MASKS) | (usual & (bits > 8))
    known &= (size >= 40) & tf.reduce_any(bits == (8, 24, 32))
    clear = usual & (size >= _WITH_ALPHA_MASK) & (head.number(66, 4) == _ALPHA_MASK)

    def decode():
        stop = start + height * ((width * bits + 31) // 32 * 4)  # more may follow
        file = tf.strings.substr(data, tf.zeros_like(stop), tf.where(known, stop, 0))
        image = tf.io.decode_image(file, expand_animations=False)

        def coloured():  # the operation takes the numbers of colours for grey
            palette = ByteReader(data).part(14 + size, start)
            whole = tf.size(palette) // 4 * 4  # others may stand before the pixels
            palette = tf.reshape(palette[:whole], (-1, 4))[:, 2::-1]  # blue comes first
            # Of a part of all greys the others follow, of other palettes black ones.
            greys = tf.tile(tf.cast(tf.range(256), tf.uint8)[:, tf.newaxis], [1, 3])
            known = tf.minimum(tf.shape(palette)[0], 256)
            grey = tf.reduce_all(palette[:known] == greys[:known])
            missing = tf.where(grey, greys, tf.zeros_like(greys))[known:]
            palette = tf.concat([palette[:known], missing], 0)
            return tf.gather(palette, tf.cast(image[..., 0], tf.int32))

        return tf.cond(
            bits == 8, coloured, lambda: _flattened(image, clear, decoding.backdrop)
        )

    return within(height, width, decoding.max_pixels, decode)


def _flattened(image: Tensor, clear: Tensor, backdrop: int | None) -> Tensor:
    """Pixels of 3 or 4 channels on a background, if they may be seen through."""
    seen_through = clear & (tf.shape(image)[-1] == 4)
    return tf.cond(
        seen_through,
        lambda: flattened(tf.ensure_shape(image, (None, None, 4)), backdrop),
        lambda: image[..., :3],
    )


@dataclass(frozen=True)
class Format:
    """A kind of image file.

    Attributes:
        name: as people write it.
        starts: what its files begin with: places, and the texts there.
        read: from the file's bytes, a scalar string, and a
            `keras_vit.decoding.Decoding` to what `limits.within` returns.
        find_exif: which part of the file, `ByteReader`, is Exif; `None`: no file
            has any.
        failure: why a file of this kind is not decoded.
    """

    name: str
    starts: tuple[tuple[int, bytes], ...]
    read: Read
    find_exif: Callable[[ByteReader], Tensor] | None = None
    _: KW_ONLY
    failure: str = "damaged or cut"


FORMATS = (
    Format("JPEG", ((0, b"\xff\xd8\xff"),), read_jpeg, in_jpeg),
    Format("PNG", ((0, b"\x89PNG\r\n\x1a\n"),), read_png, in_png),
    Format(
        "WebP",
        ((0, b"RIFF"), (8, b"WEBP")),
        read_webp,
        in_webp,
        failure="damaged or cut, an animation, or TensorFlow is older than 2.20",
    ),
    Format(
        "BMP",
        ((0, b"BM"),),
        read_bmp,
        failure="damaged or cut, or not uncompressed pixels of 8, 24 or 32 bits",
    ),
    Format("GIF", ((0, b"GIF8"),), read_gif),
)
