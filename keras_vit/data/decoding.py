"""Image files -> RGB pixels, in TensorFlow's graph.

Two roads lead to the same pixels. TensorFlow's own operations take what most
data sets consist of: JPEG files of one or three components and PNG files of 8
bits, also with alpha, which lie as they should. Pillow, by
`images.decode_image`, takes all the rest, each file at some 100 microseconds
and more.
"""

import math
import os
import re
import stat
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_vit.data import images
from keras_vit.data.levels import flattened
from keras_vit.decoding import Decoding

# Where a JPEG tells that it lies on its side: in the first 16 KiB, whatever
# stands before. Cameras write it into the first 200 bytes; what comes later,
# behind a profile of more than that, is not seen.
_HEAD = 16_384
# The tag 0x0112 in either order of bytes, its type, its count, its value; or
# the same in XMP, which Pillow reads where Exif is silent.
_TURNED = (
    r"\C*(Exif\x00\x00\C*"
    r"(\x01\x12\x00\C\x00\x00\x00\C\x00{0,3}[\x02-\x08]"
    r"|\x12\x01\C\x00\C\x00\x00\x00[\x02-\x08])"
    r"|tiff:Orientation(=\"|>)[2-8])\C*"
)
# Orientation, an animation, a colour that is transparent, and compressed text, of
# which libpng would unpack gigabytes: wherever they stand in a PNG.
_ODD_CHUNKS = r"\C*(eXIf|acTL|tRNS|zTXt|iTXt|Raw profile)\C*"
# The header of a JPEG of four components, which TensorFlow's road never takes.
_FOUR_COMPONENTS = (
    b"\xff\xd8"
    b"\xff\xc0\0\x14\x08\0\1\0\1\4\1\x11\0\2\x11\0\3\x11\0\4\x11\0"
    b"\xff\xda\0\x0e\4\1\0\2\0\3\0\4\0\0\x3f\0"
)


def reader(
    paths: np.ndarray, exif_orientation: bool = True, decoding: Decoding = images.PLAIN
) -> Callable[..., tf.Tensor]:
    """Return a function for the graph: `(index, window=None) -> image`.

    Args:
        paths: of image files, an array of bytes.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        A function that gives uint8 pixels `(H, W, 3)`, or of what `window`
        chooses, as `decode` does. When the graph runs, it raises
        `tf.errors.InvalidArgumentError` for a file that cannot be read, and
        `tf.errors.NotFoundError` for one that is missing.

    Example:

    >>> read = reader(np.array([b"shoe.png"]))
    >>> read(0).shape  # doctest: +SKIP
    TensorShape([28, 28, 3])
    """
    read_file = file_reader(paths)

    def read(index, window=None):
        data, path = read_file(index)
        return decode(data, path, window, exif_orientation, decoding=decoding)

    return read


def file_reader(paths: np.ndarray) -> Callable[[tf.Tensor], tuple[tf.Tensor, Any]]:
    """Return a function for the graph: `(index) -> (bytes of the file, its path)`.

    Args:
        paths: of image files, an array of bytes.

    Returns:
        A function that gives two scalar strings. When the graph runs, it raises as
        that of `reader` does, for files that `images.read_bytes` refuses.
    """
    # The graph has no operation for a file's size: looked at once, here.
    unusual = np.fromiter((_unusual(path) for path in paths), bool, len(paths))
    any_unusual = unusual.any()
    with tf.device("CPU"):
        all_paths, unusual = tf.constant(paths), tf.constant(unusual)

    def read_file(index):
        path = tf.gather(all_paths, index)
        if not any_unusual:
            return tf.io.read_file(path), path
        data = tf.cond(
            tf.gather(unusual, index),
            lambda: _checked(path),
            lambda: tf.io.read_file(path),
        )
        return data, path

    return read_file


def decode_now(
    path: bytes, exif_orientation: bool = True, decoding: Decoding = images.PLAIN
) -> np.ndarray:
    """Read an image file outside a graph, to the pixels that the graph reads.

    Args:
        path: of the file, as bytes.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        uint8 pixels `(H, W, 3)`, as an array.

    Raises:
        images.UnreadableImageError: naming the file and saying why.

    Example:

    >>> decode_now(b"shoe.png").shape  # doctest: +SKIP
    (28, 28, 3)
    """
    data = images.read_bytes(path)
    try:
        return decode(
            data, path, exif_orientation=exif_orientation, decoding=decoding
        ).numpy()
    except tf.errors.InvalidArgumentError as error:
        name = os.fsdecode(path)
        raise images.UnreadableImageError(
            f"{name}: not a readable image ({reason_of(error)})"
        ) from error


def reason_of(error: tf.errors.OpError) -> str:
    """Return what one of TensorFlow's errors says, in a line without its own signs."""
    first = next(iter(error.message.splitlines()), "")
    return re.sub(r"^\{\{.*?\}\} ?| \[Op:.*", "", first)


def _unusual(path):
    """Whether a file is one that `images.read_bytes` refuses, but is there."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_size > images.MOST_BYTES or not stat.S_ISREG(status.st_mode)


def _checked(path):
    @tf.autograph.experimental.do_not_convert
    def read(path):
        return images.read_bytes(np.asarray(path, object).item())

    data = tf.numpy_function(read, [path], tf.string, stateful=False)
    data.set_shape(())
    return data


# A JPEG's inverse cosine transform: the accurate one gives Pillow's pixels, and
# TensorFlow's default, by which the reference was evaluated, up to 20 levels others.
ACCURATE, REFERENCE = "INTEGER_ACCURATE", ""


def decode(
    data: tf.Tensor | bytes,
    path: tf.Tensor | str | bytes,
    window: Callable[..., Sequence[Any]] | None = None,
    exif_orientation: bool = True,
    *,
    transform: str = ACCURATE,
    decoding: Decoding = images.PLAIN,
) -> tf.Tensor:
    """Decode the contents of an image file, as `images.read_image` does.

    Args:
        data: the file's bytes, a scalar string.
        path: of the file, a scalar string, for errors.
        window: a function of height and width that chooses what is cut out:
            top, left, height and width. Of most JPEG files that alone is
            decoded.
        exif_orientation: whether the camera's note on the orientation counts.
        transform: of JPEG files, `ACCURATE` or `REFERENCE`.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        uint8 pixels, `(H, W, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: when the graph runs, saying why the
            file cannot be read.

    Example:

    >>> decode(tf.io.encode_png(tf.zeros((4, 6, 3), tf.uint8)), "a.png").shape
    TensorShape([4, 6, 3])
    """
    data = tf.convert_to_tensor(data)  # NumPy would cut zeros off its end
    plain, shape = plain_jpeg(data, exif_orientation, decoding)
    return tf.cond(
        plain,
        lambda: _jpeg(data, shape, window, transform),
        lambda: _cut(_other(data, path, exif_orientation, decoding), window),
    )


def decode_reduced(
    data: tf.Tensor,
    path: tf.Tensor,
    least: int,
    exif_orientation: bool = True,
    decoding: Decoding = images.PLAIN,
) -> tf.Tensor:
    """Decode the contents of an image file, large JPEG files at a part of their size.

    The inverse cosine transform of a JPEG gives a half, a quarter or an eighth of its
    sides for less than all of them, as means of pixels.

    Args:
        data: the file's bytes, a scalar string.
        path: of the file, a scalar string, for errors.
        least: pixels that the shorter side keeps, if it has them.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        uint8 pixels, `(H, W, 3)`.

    Raises:
        tf.errors.InvalidArgumentError: as `decode` does, for the same files.
    """
    plain, shape = plain_jpeg(data, exif_orientation, decoding)

    def reduced():
        short = tf.reduce_min(shape[:2])
        number = tf.reduce_sum(tf.cast(short >= [least * r for r in _RATIOS], tf.int32))
        options = {"channels": 3, "dct_method": ACCURATE}
        ways = [
            lambda ratio=ratio: tf.io.decode_jpeg(data, ratio=ratio, **options)
            for ratio in (1, *_RATIOS)
        ]
        return tf.switch_case(number, ways)

    return tf.cond(
        plain, reduced, lambda: _other(data, path, exif_orientation, decoding)
    )


_RATIOS = (2, 4, 8)  # of sides, that libjpeg decodes a file to


def plain_jpeg(
    data: tf.Tensor, exif_orientation: bool, decoding: Decoding
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return whether TensorFlow decodes a file as a JPEG, upright, and its shape.

    Args:
        data: the file's bytes, a scalar string.
        exif_orientation: whether the camera's note on the orientation counts.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        A scalar bool; and height, width and components, without a meaning where
        that is False.
    """
    # A shape is asked for in any case: a tf.cond more would cost more.
    header = tf.where(tf.io.is_jpeg(data), data, _FOUR_COMPONENTS)
    shape = tf.image.extract_jpeg_shape(header)
    side = math.isqrt(decoding.max_pixels)
    plain = tf.reduce_all(shape <= [side, side, 3])
    # Of a cut file some windows could be decoded, and others not.
    plain &= tf.strings.substr(header, -2, 2) == b"\xff\xd9"
    if exif_orientation:
        head = tf.strings.substr(data, 0, _HEAD)
        plain &= ~tf.strings.regex_full_match(head, _TURNED)
    return plain, shape


def _jpeg(data, shape, window, transform):
    options = {"channels": 3, "dct_method": transform}
    if window is None:
        return tf.io.decode_jpeg(data, **options)
    cut = tf.stack(window(shape[0], shape[1]))
    return tf.image.decode_and_crop_jpeg(data, cut, **options)


def _cut(image, window):
    if window is None:
        return image
    top, left, height, width = window(*tf.unstack(tf.shape(image)[:2]))
    return image[top : top + height, left : left + width]


def _other(data, path, exif_orientation, decoding):
    # Branches of their own, as data sets of small PNG files are many.
    side, head = math.isqrt(decoding.max_pixels), tf.strings.substr(data, 0, 29)
    plain = ~tf.strings.regex_full_match(data, _ODD_CHUNKS)
    opaque = plain & tf.strings.regex_full_match(head, _png(side, r"[\x00\x02]"))
    alpha = plain & tf.strings.regex_full_match(head, _png(side, r"[\x04\x06]"))
    ways = [
        lambda: tf.io.decode_png(data, channels=3),
        lambda: flattened(tf.io.decode_png(data, channels=4), decoding.backdrop),
        lambda: _by_pillow(data, path, exif_orientation, decoding),
    ]
    return tf.switch_case(tf.where(opaque, 0, tf.where(alpha, 1, 2)), ways)


def _png(side, colours):
    """The first 29 bytes of a PNG of 8 bits, of such colours, and no longer sides."""
    highest = min(max(side // 256, 1), 128) - 1  # so a limit is 256 x 256 at least
    length = rf"\x00\x00[\x00-\x{highest:02x}]\C"
    start = r"\CPNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
    return rf"{start}{length}{length}\x08{colours}\C*"


def _by_pillow(data, path, exif_orientation, decoding):
    @tf.autograph.experimental.do_not_convert
    def pixels(*arguments):  # bytes, or arrays of one where no graph is built
        data, path = (np.asarray(one, object).item() for one in arguments)
        name = os.fsdecode(path)
        return images.decode_image(data, name, exif_orientation, decoding)

    image = tf.numpy_function(pixels, [data, path], tf.uint8, stateful=False)
    image.set_shape((None, None, 3))
    return image
