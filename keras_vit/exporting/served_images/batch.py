"""A batch of image files -> pixels of a model's size, and what is wrong with each."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_vit.data.images import MOST_BYTES, PLAIN
from keras_vit.data.preprocessing import preprocess, window_of
from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images.byte_reader import ByteReader, Tensor
from keras_vit.exporting.served_images.formats import FORMATS, read_jpeg
from keras_vit.exporting.served_images.limits import too_many
from keras_vit.exporting.served_images.orientation import (
    may_be_noted,
    orientation_of,
    upright,
)
from keras_vit.preprocessing import Preprocessing

AT_A_TIME = 4  # images that are decoded beside each other
_HEAD = 16  # bytes that tell the format
_NAMES = [one.name for one in FORMATS]
_UNKNOWN = f"not a readable {', '.join(_NAMES[:-1])} or {_NAMES[-1]} image"
_EMPTY = "empty: expected the bytes of an image file"


def read_images(
    data: Tensor,
    size: tuple[int, int],
    preprocessing: Preprocessing,
    decoding: Decoding = PLAIN,
) -> tuple[Tensor, Tensor, Tensor]:
    """Read image files as `predict` does, in TensorFlow's graph.

    An image that cannot be read takes nothing from the others.

    Args:
        data: the bytes of image files, strings of shape `(B,)`, B of 0 or more.
        size: (height, width) in pixels, of the model.
        preprocessing: a `Preprocessing`.
        decoding: a `keras_vit.decoding.Decoding`.

    Returns:
        pixels: float32 `(B, height, width, 3)`, in [0, 255]; 0 where an image
            could not be read.
        windows: float32 `(B, 4)`: top, left, height and width of what pixels
            show, as fractions of the upright picture; 0 where an image could not
            be read.
        errors: strings `(B,)`: empty, or why an image could not be read.

    Example:

    >>> png = tf.io.encode_png(tf.zeros((4, 6, 3), tf.uint8))
    >>> from keras_vit.preprocessing import Preprocessing
    >>> pixels, windows, errors = read_images([png, b"?"], (8, 8), Preprocessing())
    >>> pixels.shape.as_list(), errors.numpy()[1].decode()
    ([2, 8, 8, 3], 'not a readable JPEG, PNG, WebP, BMP or GIF image')
    """
    data = tf.convert_to_tensor(data)
    kinds, unreadable = _kinds(data)
    rows, pixels, sides = _decoded(data, kinds, size, preprocessing, decoding)
    heights, widths = sides[:, 0], sides[:, 1]
    many = too_many(heights, widths, decoding.max_pixels)
    errors = tf.where(rows == 0, unreadable, many)
    windows = window_of(heights, widths, size, preprocessing)
    return pixels, tf.where((errors == "")[:, tf.newaxis], windows, 0.0), errors


def _kinds(data: Tensor) -> tuple[Tensor, Tensor]:
    """The format of each file, and what is said of one that cannot be decoded."""
    length = tf.strings.length(data)
    heads = tf.strings.join([tf.strings.substr(data, 0, _HEAD), bytes(_HEAD)])
    kinds = tf.fill(tf.shape(data), len(FORMATS))
    for number, one in enumerate(FORMATS):
        parts = [
            tf.strings.substr(heads, at, len(text)) == text for at, text in one.starts
        ]
        kinds = tf.where(tf.reduce_all(parts, 0), number, kinds)
    messages = [f"not a readable {one.name} image: {one.failure}" for one in FORMATS]
    messages = tf.gather([*messages, _UNKNOWN], kinds)
    limit = f" bytes are more than the limit of {MOST_BYTES:,}"
    too_long = tf.strings.join([tf.strings.as_string(length), limit])
    long = length > MOST_BYTES
    messages = tf.where(long, too_long, tf.where(length == 0, _EMPTY, messages))
    return tf.where(long, len(FORMATS), kinds), messages


def _decoded(
    files: Tensor,
    kinds: Tensor,
    size: tuple[int, int],
    preprocessing: Preprocessing,
    decoding: Decoding,
) -> Any:
    """Decode what can be decoded.

    An operation that raises takes its image out of the stream, and those that
    are left say which they are. The first element stands for all others.

    Returns:
        rows: `(B,)`, int32: 0 where an image could not be decoded.
        pixels: float32 `(B, height, width, 3)`.
        sides: int64 `(B, 2)`, of the upright picture, or of one that has too
            many pixels to be decoded.
    """

    def read(place, file, kind):
        ways: list[Callable[[], Any]] = [
            lambda one=one: one.read(file, decoding) for one in FORMATS
        ]
        ways.append(lambda: read_jpeg(tf.constant(""), decoding))  # which raises
        image, refused = tf.switch_case(kind, ways)
        image = upright(image, _orientation(file, kind))
        pixels = tf.cast(preprocess(image, size, preprocessing), tf.float32)
        sides = tf.shape(image, tf.int64)[:2]
        return place, pixels, tf.where(refused > 0, refused, sides)

    count = tf.size(files, tf.int64)
    absent = tf.constant(0, tf.int64), tf.zeros((*size, 3)), tf.ones(2, tf.int64)
    stream = tf.data.Dataset.from_tensor_slices((tf.range(count), files, kinds))
    stream = stream.map(read, num_parallel_calls=AT_A_TIME).ignore_errors()
    stream = tf.data.Dataset.from_tensors(absent).concatenate(stream)
    places, pixels, sides = stream.batch(count + 1).get_single_element()
    rows = tf.range(1, tf.size(places))
    rows = tf.scatter_nd(places[1:, tf.newaxis], rows, [count])
    return rows, tf.gather(pixels, rows), tf.gather(sides, rows)


def _orientation(file: Tensor, kind: Tensor) -> Tensor:
    """The orientation that a file of a kind notes; 1: none."""
    finders = [one.find_exif for one in FORMATS if one.find_exif]  # the first ones
    noted = (kind < len(finders)) & may_be_noted(file)

    def found():
        reader = ByteReader(file)
        exif = tf.switch_case(kind, [lambda one=one: one(reader) for one in finders])
        return orientation_of(file, exif)

    return tf.cond(noted, found, lambda: 1)
