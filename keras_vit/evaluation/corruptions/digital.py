"""Brightness, colours, stretching, coarse pixels, compression. Pixels x lie in [0, 1].

In HSV, V is a pixel's largest value and S how far its smallest lies below, as a
share of V. Both can be changed without the hue.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.evaluation.corruptions.filtering import blurred, sampled

if TYPE_CHECKING:
    import PIL.Image


def brightness(x: np.ndarray, rng: np.random.Generator, more: float) -> np.ndarray:
    """Add to V in HSV."""
    v = x.max(-1, keepdims=True)
    brighter = np.minimum(v + more, 1)
    return np.where(v > 0, x * brighter / np.where(v > 0, v, 1), brighter)


def contrast(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Reduce each channel's distance from its mean to a share of it."""
    mean = x.mean((0, 1))
    return mean + share * (x - mean)


def saturate(
    x: np.ndarray, rng: np.random.Generator, times: float, more: float
) -> np.ndarray:
    """Multiply S in HSV and add to it. Grey has the hue of red."""
    v, low = x.max(-1, keepdims=True), x.min(-1, keepdims=True)
    grey = v == low
    s = (v - low) / np.where(v > 0, v, 1)
    changed = np.clip(times * s + more, 0, 1)
    below = np.where(
        grey, np.array([0, 1, 1], np.float32), (v - x) / np.where(grey, 1, v - low)
    )
    return v * (1 - changed * below)


def elastic(
    x: np.ndarray, rng: np.random.Generator, strength: float, sigma: float, tilt: float
) -> np.ndarray:
    """Stretch the image at large and in places.

    Args:
        x: an image `(H, W, 3)`.
        rng: a `numpy.random.Generator`.
        strength: times a field of uniform noise in (-1, 1), blurred, by which
            pixels move.
        sigma: of that field's Gaussian, in pixels.
        tilt: the most pixels that each of three points around the middle
            moves down and across, with all that is between them.
    """
    shape = x.shape[:2]
    middle, arm = np.array(shape) // 2, min(shape) // 3
    here = middle + arm * np.array([[1, 1], [1, -1], [-1, -1]])
    there = here + rng.uniform(-tilt, tilt, here.shape)
    ones = np.ones((3, 1))
    back = np.linalg.solve(np.hstack([there, ones]), here)  # (3, 2): place -> source
    rows, columns = np.indices(shape)
    sources = np.stack([rows, columns, np.ones(shape)], -1) @ back
    x = sampled(x, sources[..., 0], sources[..., 1], "mirror")
    down, right = (
        strength * blurred(rng.uniform(-1, 1, shape), sigma, "reflect", truncate=3)
        for _ in shape
    )
    return sampled(x, rows + down, columns + right, "reflect")


def pixelate(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Shrink the image to a share of its sides and magnify it, by boxes."""
    from PIL import Image

    image, box = _image(x), Image.Resampling.BOX
    small = [max(1, int(side * share)) for side in image.size]
    return _pixels(image.resize(small, box).resize(image.size, box))


def jpeg(x: np.ndarray, rng: np.random.Generator, quality: int) -> np.ndarray:
    """Compress the image as a JPEG file of a quality, from 0 to 100."""
    from PIL import Image

    file = io.BytesIO()
    _image(x).save(file, "JPEG", quality=quality)
    return _pixels(Image.open(file))


def _image(x: np.ndarray) -> PIL.Image.Image:
    from PIL import Image

    return Image.fromarray(np.rint(x * 255).astype(np.uint8))


def _pixels(image: PIL.Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255
