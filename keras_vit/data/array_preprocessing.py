"""`preprocessing.preprocess` by NumPy and Pillow, where TensorFlow is not loaded.

A pixel is the same, but for what rounding errors of the filters' weights decide: one
level of 256, or a few millionths of a level where levels are not rounded.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_vit.data.quiet_pillow import quiet_pillow
from keras_vit.preprocessing import Preprocessing

LONGEST = 32  # times as long as wide, of which the middle is looked at
TABLE = 1024  # places between two pixels that TensorFlow's bicubic filter knows


class Taps(NamedTuple):
    """What each pixel of an axis is made of.

    Attributes:
        places: of the old pixels, `(new, taps)`.
        weights: of each, float32 `(new, taps)`.
    """

    places: np.ndarray
    weights: np.ndarray


def preprocess_array(
    image: np.ndarray, size: tuple[int, int], preprocessing: Preprocessing
) -> np.ndarray:
    """Resize an image to a model's size.

    Args:
        image: uint8 or float pixels in [0, 255], `(H, W, 3)`.
        size: (height, width) in pixels.
        preprocessing: a `Preprocessing`.

    Returns:
        Pixels `(height, width, 3)`: uint8 for the levels `"truncate"` and
        `"round"`, float32 for `"float"`. An image that only was to be squashed
        and has that size comes as it is.

    Example:

    >>> from keras_vit.preprocessing import resolve
    >>> photograph = np.zeros((375, 500, 3), np.uint8)
    >>> preprocess_array(photograph, (224, 224), resolve("timm")).shape
    (224, 224, 3)
    """
    p = preprocessing
    squashed = p.aspect == "squash" and p.crop_fraction == 1
    if squashed and image.shape[:2] == tuple(size):
        return image
    (top, left), (height, width) = _middle(image.shape[:2], p)
    image = image[top : top + height, left : left + width]
    around = _around((height, width), size, p)
    top, left = (
        margin_of(whole, side, p.arithmetic)
        for whole, side in zip(around, size, strict=True)
    )
    if p.antialias and p.method != "area":
        resized = _by_pillow(image, around, p)
        return resized[top : top + size[0], left : left + size[1]]
    rows = _TAPS[p.method](height, around[0], top, size[0])
    columns = _TAPS[p.method](width, around[1], left, size[1])
    image = _along(_along(image, 1, columns), 0, rows)
    if p.method == "area":  # of sums the mean, as late as TensorFlow has it
        rows, columns = (
            np.float32(side) / np.float32(new)
            for side, new in zip((height, width), around, strict=True)
        )
        image = image * (np.float32(1) / (rows * columns))
    return _LEVELS[p.levels](image)


def before_crop(size: Sequence[int], crop_fraction: float) -> tuple[int, ...]:
    """Return the whole pixels, one number a side, of which `size` is cut out.

    Example:

    >>> before_crop((224, 224), 0.875)
    (256, 256)
    """
    slack = 1e-6  # 224 / (224 / 256) must not fall short of 256
    return tuple(math.floor(side / crop_fraction + slack) for side in size)


def margin_of(whole: int, side: int, arithmetic: str) -> int:
    """Return the pixels before the middle part of a side.

    Args:
        whole: the side's pixels.
        side: those of its middle part.
        arithmetic: of `Preprocessing`.

    Example:

    >>> margin_of(35, 32, "torchvision"), margin_of(35, 32, "transformers")
    (2, 1)
    """
    if arithmetic == "torchvision":  # rounds halves to even numbers, as Python does
        return round((whole - side) / 2)
    return (whole - side) // 2


def _middle(sides, p):
    """Where what is resized begins, and its sides; see `preprocessing.preprocess`."""
    if p.aspect == "squash":
        return (0, 0), sides
    most = LONGEST * min(sides)
    return [max(side - most, 0) // 2 for side in sides], [
        min(side, most) for side in sides
    ]


def _around(sides, size, p):
    """The whole sides that an image is resized to."""
    rows, columns = around = before_crop(size, p.crop_fraction)
    if p.aspect == "squash":
        return around
    height, width = sides
    by_height = rows * width >= columns * height
    if p.arithmetic == "big_vision":  # in float32, as there
        scale = np.float32(rows / height if by_height else columns / width)
        return tuple(int(np.rint(np.float32(side) * scale)) for side in sides)
    if p.arithmetic == "torchvision" and rows != columns:  # timm's ResizeKeepRatio
        ratio = min(height / rows, width / columns)
        return round(height / ratio), round(width / ratio)
    if by_height:
        return rows, width * rows // height
    return height * columns // width, columns


def _by_pillow(image, around, p):
    """Filters that widen as images shrink, which are Pillow's own.

    Of rounded levels one axis becomes uint8 before the other: columns first, but
    where the height shrinks by more than twice as many pixels as the width, rows. So
    it is in Pillow from version 13 on; each axis alone is the same in all versions.
    """
    height, width = image.shape[:2]
    if p.levels != "round":
        return _LEVELS[p.levels](_filtered(image.astype(np.float32), around, p.method))
    shorter, narrower = height - around[0], width - around[1]
    rows_first = shorter > 0 and shorter > 2 * narrower
    for sides in ((around[0], width) if rows_first else (height, around[1]), around):
        image = _filtered(image, sides, p.method)
        image = image if image.dtype == np.uint8 else _rounded(image)
    return image


def _filtered(image: np.ndarray, sides: Sequence[int], method: str) -> np.ndarray:
    """Pillow's resize of uint8 or float32 `(H, W, 3)`, of the same dtype."""
    pillow = quiet_pillow(0)
    how: Any = ((sides[1], sides[0]), pillow.Resampling[method.upper()])
    if image.dtype == np.uint8:
        return np.asarray(pillow.fromarray(np.ascontiguousarray(image)).resize(*how))
    bands = (pillow.fromarray(np.float32(image[..., i])).resize(*how) for i in range(3))
    return np.stack([*map(np.asarray, bands)], -1)


def _along(image: np.ndarray, axis: int, taps: Taps) -> np.ndarray:
    """An image whose pixels along an axis are made of others; float32."""
    shape = [1, 1, 1]
    shape[axis] = -1
    total: Any = 0.0
    for places, weights in zip(taps.places.T, taps.weights.T, strict=True):
        total = total + np.take(image, places, axis) * weights.reshape(shape)
    return total


def _centres(old: int, new: int, first: int, count: int) -> np.ndarray:
    """Where the new pixels' centres lie among the old ones, as TensorFlow says."""
    scale = np.float32(old) / np.float32(new)
    half = np.float32(0.5)
    return (np.arange(first, first + count, dtype=np.float32) + half) * scale - half


def _bilinear(old: int, new: int, first: int, count: int) -> Taps:
    centres = _centres(old, new, first, count)
    below = np.floor(centres)
    share = centres - below
    lower = np.maximum(below, 0).astype(np.int64)
    upper = np.minimum(np.ceil(centres), old - 1).astype(np.int64)
    return Taps(np.stack([lower, upper], 1), np.stack([1 - share, share], 1))


def _bicubic(old: int, new: int, first: int, count: int) -> Taps:
    """Four pixels, weighted as Keys does with a = -0.5; those outside count nothing."""
    centres = _centres(old, new, first, count)
    below = np.floor(centres)
    share = np.rint((centres - below) * TABLE) / TABLE
    places = below.astype(np.int64)[:, np.newaxis] + np.arange(-1, 3)
    far = np.abs(share[:, np.newaxis] - np.arange(-1, 3))
    near = (1.5 * far - 2.5) * far**2 + 1
    beyond = ((-0.5 * far + 2.5) * far - 4) * far + 2
    weights = np.where(far <= 1, near, beyond) * ((places >= 0) & (places < old))
    weights /= weights.sum(1, keepdims=True)
    return Taps(np.clip(places, 0, old - 1), weights.astype(np.float32))


def _area(old: int, new: int, first: int, count: int) -> Taps:
    """The sum of what a pixel covers, of old pixels in part."""
    scale = np.float32(old) / np.float32(new)
    begins = np.arange(first, first + count, dtype=np.float32) * scale
    ends = np.arange(first + 1, first + count + 1, dtype=np.float32) * scale
    start, stop = np.floor(begins).astype(np.int64), np.ceil(ends).astype(np.int64)
    places = start[:, np.newaxis] + np.arange((stop - start).max())
    lower = np.maximum(places, begins[:, np.newaxis])
    upper = np.minimum(places + 1, ends[:, np.newaxis])
    weights = np.maximum(upper - lower, 0)
    inside = (places < begins[:, np.newaxis]) & (places + 1 > ends[:, np.newaxis])
    weights = np.where(inside, scale, weights)
    return Taps(np.clip(places, 0, old - 1), weights.astype(np.float32))


_TAPS = {"bilinear": _bilinear, "bicubic": _bicubic, "area": _area}


def _rounded(image: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(image + np.float32(0.5)), 0, 255).astype(np.uint8)


_LEVELS = {
    "float": np.float32,
    "truncate": lambda image: np.clip(image, 0, 255).astype(np.uint8),
    "round": _rounded,
}
