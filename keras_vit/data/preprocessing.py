"""From an image of any size to the pixels that a model takes."""

import functools
from typing import cast

import numpy as np
import tensorflow as tf

from keras_vit.data.array_preprocessing import LONGEST, before_crop
from keras_vit.preprocessing import Preprocessing

SQUASH = Preprocessing()
_KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic"}  # that Pillow widens alike


ALIASED = 2  # times as long as wanted: bilinear weights then miss pixels


def resize(
    images: tf.Tensor, size: tuple[int, int], *, antialias: bool = False
) -> tf.Tensor:
    """Squash images to a size, as the reference does in evaluation.

    Bilinear, half-pixel centres, no antialiasing, the aspect not preserved.

    Args:
        images: uint8 or float pixels, `(H, W, 3)` or `(B, H, W, 3)`.
        size: (height, width) in pixels.
        antialias: whether images of which a side is more than twice as long are
            resized with antialiasing. Bilinear weights reach two pixels a side,
            so without it pixels between are not looked at.

    Returns:
        The images as they came if they have that size; else float32.

    Example:

    >>> stripes = tf.constant([255, 0, 0, 255] * 8, tf.uint8)[:, None, None]
    >>> photograph = tf.tile(stripes, (1, 32, 3))
    >>> float(resize(photograph, (4, 4))[1, 1, 0])
    255.0
    >>> round(float(resize(photograph, (4, 4), antialias=True)[1, 1, 0]), -1)
    130.0
    """
    if tuple(images.shape[-3:-1]) == tuple(size):
        return images
    plain = functools.partial(tf.image.resize, images, size, method="bilinear")
    if not antialias:
        return plain()
    sides = tf.shape(images)[-3:-1]
    return tf.cond(
        tf.reduce_any(sides > ALIASED * tf.constant(size)),
        functools.partial(plain, antialias=True),
        plain,
    )


def preprocess(
    image: tf.Tensor | np.ndarray,
    size: tuple[int, int],
    preprocessing: Preprocessing = SQUASH,
) -> tf.Tensor:
    """Resize an image to a model's size, eagerly or in a graph.

    Args:
        image: uint8 or float pixels in [0, 255], `(H, W, 3)`; H and W need
            not be known in a graph.
        size: (height, width) in pixels.
        preprocessing: a `Preprocessing`.

    Returns:
        Pixels `(height, width, 3)`: uint8 for the levels `"truncate"` and
        `"round"`, float32 for `"float"`. An image that only was to be squashed
        and has that size comes as it is.

    Example:

    >>> from keras_vit.preprocessing import resolve
    >>> photograph = np.zeros((375, 500, 3), np.uint8)
    >>> preprocess(photograph, (224, 224), resolve("timm")).shape.as_list()
    [224, 224, 3]
    """
    p = preprocessing
    squashed = p.aspect == "squash" and p.crop_fraction == 1
    if squashed and (p == SQUASH or tuple(image.shape[:2]) == tuple(size)):
        return resize(cast("tf.Tensor", image), size)  # an array of it stays one
    (top, left), sides = _middle(tf.unstack(tf.shape(image, tf.int64)[:2]), p)
    if p.aspect == "short_side":
        image = image[top : top + sides[0], left : left + sides[1]]
    around, (top, left) = _around(sides, size, p)
    if p.antialias and p.levels == "round" and p.method in _KERNELS:
        image = _as_pillow(image, around, (top, left), size, p.method)
        return tf.ensure_shape(image, (*size, 3))
    image = tf.image.resize(
        image, tf.cast(tf.stack(around), tf.int32), p.method, antialias=p.antialias
    )
    image = image[top : top + size[0], left : left + size[1]]
    return tf.ensure_shape(_LEVELS[p.levels](image), (*size, 3))


def window_of(
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    size: tuple[int, int],
    preprocessing: Preprocessing = SQUASH,
) -> tf.Tensor:
    """Return the part of an image that `preprocess` keeps.

    Args:
        height: of the image, in pixels, an integer, or those of B images.
        width: as the height.
        size: (height, width) in pixels that `preprocess` is called with.
        preprocessing: a `Preprocessing`.

    Returns:
        Top, left, height and width as fractions of the image's sides,
        float32 `(4,)`, or `(B, 4)`.

    Example:

    >>> from keras_vit.preprocessing import resolve
    >>> window_of(100, 200, (32, 32), resolve("big_vision:0.5")).numpy()
    array([0.25 , 0.375, 0.5  , 0.25 ], dtype=float32)
    """
    sides = [tf.cast(side, tf.int64) for side in (height, width)]
    starts, middle = _middle(sides, preprocessing)
    around, margins = _around(middle, size, preprocessing)
    first, length = [], []
    for axis, side in enumerate(sides):
        pixel = (middle[axis] / side) / tf.cast(around[axis], tf.float64)  # a part
        first.append(starts[axis] / side + tf.cast(margins[axis], tf.float64) * pixel)
        length.append(size[axis] * pixel)
    return tf.cast(tf.stack([*first, *length], -1), tf.float32)


def _middle(sides, preprocessing):
    """Where what is resized begins, and its sides.

    That is all of an image, but for one that is many times as long as wide:
    its far ends are cropped away in any case; resized first, they could fill
    the memory.
    """
    if preprocessing.aspect == "squash":
        return [tf.zeros_like(side) for side in sides], sides
    most = LONGEST * tf.minimum(*sides)
    starts = [tf.maximum(side - most, 0) // 2 for side in sides]
    return starts, [tf.minimum(side, most) for side in sides]


def _around(sides, size, preprocessing):
    """The whole sides that an image is resized to, and the margins cut off them."""
    around = before_crop(size, preprocessing.crop_fraction)
    if preprocessing.aspect == "short_side":
        height, width = sides
        around = _covering(height, width, around, preprocessing.arithmetic)
    around = [tf.cast(side, tf.int64) for side in around]
    margins = [
        _margin(whole, side, preprocessing.arithmetic)
        for whole, side in zip(around, size, strict=True)
    ]
    return around, margins


def _covering(height, width, target, arithmetic):
    """The sides of an image that keeps its aspect and just covers a target."""
    rows, columns = target
    by_height = rows * width >= columns * height
    if arithmetic == "big_vision":  # in float32, as there
        scale = tf.where(by_height, rows / height, columns / width)
        scale = tf.cast(scale, tf.float32)
        return [
            tf.cast(tf.round(tf.cast(side, tf.float32) * scale), tf.int64)
            for side in (height, width)
        ]
    if arithmetic == "torchvision" and rows != columns:  # timm's ResizeKeepRatio
        ratio = tf.minimum(height / rows, width / columns)
        return [
            tf.cast(tf.round(tf.cast(side, tf.float64) / ratio), tf.int64)
            for side in (height, width)
        ]
    fitting = tf.constant(target, tf.int64)
    return [
        tf.where(by_height, fitting[0], height * columns // width),
        tf.where(by_height, width * rows // height, fitting[1]),
    ]


def _margin(whole, side, arithmetic):
    """The pixels before the middle part of a side."""
    if arithmetic == "torchvision":  # rounds halves to even numbers, as Python does
        return tf.cast(tf.round((whole - side) / 2), tf.int64)
    return (whole - side) // 2


def _as_pillow(image, around, offsets, size, method):
    """Resize as Pillow 13 does: one axis, uint8, the other axis, uint8.

    Columns come first, but where the height shrinks by more than twice as many
    pixels as the width, rows do: so it is in Pillow from version 13 on, whatever
    the filter. Only what is left is computed.
    """
    height, width = tf.unstack(tf.shape(image, tf.int64)[:2])

    def columns(image):
        return _along(
            image, 1, width, around[1], offset=offsets[1], count=size[1], method=method
        )

    def rows(image):
        return _along(
            image, 0, height, around[0], offset=offsets[0], count=size[0], method=method
        )

    shorter, narrower = height - around[0], width - around[1]
    return tf.cond(
        (shorter > 0) & (shorter > 2 * narrower),
        lambda: columns(rows(image)),
        lambda: rows(columns(image)),
    )


def _along(image, axis, old, new, *, offset, count, method):
    """`count` pixels from `offset` of an axis resized from `old` to `new`: uint8.

    The other axis becomes a batch's, or channels', and an axis of length 1
    takes its place, on which the filter has but one tap.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    if axis:
        images = image[:, tf.newaxis]  # (H, 1, W, 3)
    else:
        images = tf.reshape(image, (1, height, 1, width * 3))

    def of_axis(value, other):
        value = tf.cast(value, tf.float32)
        return tf.stack([other, value] if axis else [value, other])

    resized = _rounded(
        tf.raw_ops.ScaleAndTranslate(
            images=images,
            size=[1, count] if axis else [count, 1],
            scale=of_axis(new / old, 1.0),
            translation=of_axis(-offset, 0.0),
            kernel_type=_KERNELS[method],
            antialias=True,
        )
    )
    return tf.reshape(resized, (height, count, 3) if axis else (count, width, 3))


def _truncated(image):
    return tf.saturate_cast(image, tf.uint8)


def _rounded(image):
    return tf.saturate_cast(tf.floor(image + 0.5), tf.uint8)


_LEVELS = {
    "float": lambda image: tf.cast(image, tf.float32),
    "truncate": _truncated,
    "round": _rounded,
}
