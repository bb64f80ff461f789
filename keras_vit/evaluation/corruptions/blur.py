"""Blur of a lens, of a pane, of a moving camera. Pixels x lie in [0, 1]."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_vit.evaluation.corruptions.filtering import blurred, convolved, zoomed


def gaussian(x: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Blur by a Gaussian of `sigma` pixels."""
    return blurred(x, sigma)


def defocus(
    x: np.ndarray, rng: np.random.Generator, radius: float, soft: float
) -> np.ndarray:
    """Spread each pixel over a disk, whose edge is softened: out of focus."""
    return convolved(x, disk(radius, soft))


def disk(radius: float, soft: float) -> np.ndarray:
    """Build a disk of a radius in pixels, its edge a Gaussian of `soft` pixels; sum 1.

    The Gaussian reaches 1 pixel, from a radius above 8 on 2 pixels.
    """
    from_middle = np.arange(-math.ceil(radius) - 2, math.ceil(radius) + 3)
    inside = from_middle[:, None] ** 2 + from_middle**2 <= radius**2
    reach = np.arange(-2, 3)
    edge = np.exp(-((reach / soft) ** 2) / 2) * (
        abs(reach) <= (1 if radius <= 8 else 2)
    )
    convolve: Any = np.convolve  # whose overloads apply_along_axis's type refuses
    for axis in (0, 1):
        inside = np.apply_along_axis(convolve, axis, inside, edge, "same")
    return (inside / inside.sum()).astype(np.float32)


def glass(
    x: np.ndarray, rng: np.random.Generator, sigma: float, reach: int, rounds: int
) -> np.ndarray:
    """Blur, move pixels to near places, and blur again: frosted glass.

    From the lower right to the upper left, each pixel takes the value that a
    pixel at most `reach` away then has.
    """
    height, width, _ = x.shape
    x = np.floor(blurred(x, sigma) * 255) / 255
    source = list(range(height * width))
    rows, columns = (range(side - reach, reach, -1) for side in (height, width))
    for _ in range(rounds):
        shape = len(rows), len(columns), 2
        away = rng.integers(-reach, reach, shape) @ (width, 1)
        for row, line in zip(rows, away.tolist(), strict=True):
            for place, step in zip(columns, line, strict=True):
                here = row * width + place
                source[here] = source[here + step]
    return blurred(x.reshape(-1, 3)[source].reshape(x.shape), sigma)


def motion(
    x: np.ndarray, rng: np.random.Generator, radius: int, sigma: float
) -> np.ndarray:
    """Drag the image along a line, drawn within 45 degrees of the horizontal."""
    return dragged(x, radius, sigma, rng.uniform(-45, 45))


def dragged(x: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """Add up an image and its copies along a line, each fainter than the last.

    As ImageMagick's motion blur: one half of a Gaussian, whole pixels, edges
    that continue.

    Args:
        x: an image `(H, W)` or `(H, W, C)`.
        radius: half the number of copies.
        sigma: of the Gaussian, in pixels.
        angle: of the line to the horizontal, in degrees.
    """
    copies = np.arange(2 * radius + 1)
    weights = np.exp(-((copies / sigma) ** 2) / 2)
    weights = (weights / weights.sum()).astype(x.dtype)
    angle = math.radians(angle)
    down = np.ceil(copies * math.sin(angle) - 0.5).astype(int)
    right = np.ceil(copies * math.cos(angle) - 0.5).astype(int)
    margin = 2 * radius
    padded = np.pad(x, [(margin, margin)] * 2 + [(0, 0)] * (x.ndim - 2), mode="edge")
    out = np.zeros_like(x)
    for weight, row, column in zip(weights, margin + down, margin + right, strict=True):
        out += weight * padded[row : row + x.shape[0], column : column + x.shape[1]]
    return out


def zoom(
    x: np.ndarray, rng: np.random.Generator, end: float, step: float
) -> np.ndarray:
    """Average the image and its magnifications from 1 to `end`: a zooming lens."""
    factors = np.arange(1, end, step)
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)
