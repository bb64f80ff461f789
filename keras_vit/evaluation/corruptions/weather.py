"""Weather. Pixels x lie in [0, 1]."""

from __future__ import annotations

import numpy as np

from keras_vit.evaluation.corruptions.blur import dragged
from keras_vit.evaluation.corruptions.filtering import zoomed

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def snow(
    x: np.ndarray,
    rng: np.random.Generator,
    flakes: tuple[float, float, float, float],
    motion: tuple[int, float],
    clear: float,
) -> np.ndarray:
    """Whiten the image and let flakes fall over it, from both sides.

    Args:
        x: an image `(H, W, 3)`.
        rng: a `numpy.random.Generator`.
        flakes: the mean and the standard deviation of the noise that flakes are
            the peaks of, how many times it is magnified, and the threshold below
            which there is no flake.
        motion: the radius and the sigma of their motion blur, see `blur.dragged`.
        clear: the share of the image that is not whitened.
    """
    mean, deviation, size, threshold = flakes
    noise = mean + deviation * rng.standard_normal(x.shape[:2], np.float32)
    noise = zoomed(noise, size)
    noise = np.where(noise < threshold, 0, noise.clip(0, 1))
    fallen = dragged(noise, *motion, rng.uniform(-135, -45))[..., None]
    white = np.maximum(x, (x @ LUMA)[..., None] * 1.5 + 0.5)
    return clear * x + (1 - clear) * white + fallen + np.rot90(fallen, 2)


def fog(
    x: np.ndarray, rng: np.random.Generator, thickness: float, decay: float
) -> np.ndarray:
    """Add a cloud to the image, and bring it back to its brightness."""
    height, width, _ = x.shape
    cloud = plasma(max(height, width), decay, rng)[:height, :width, None]
    return (x + thickness * cloud) * x.max() / (x.max() + thickness)


def plasma(side: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Build a cloud by diamonds and squares, float32 in [0, 1] from 0 to 1.

    A grid that continues at its edges is refined until it has `side` points a
    side or more, a power of two: new points are the mean of their four
    neighbours and noise, whose amplitude falls by `decay` squared each time.
    """
    points, amplitude = np.zeros((1, 1), np.float32), 1.0

    def point_between(*four):
        noise = rng.uniform(-amplitude, amplitude, points.shape)
        return sum(four) / 4 + noise.astype(np.float32)

    while len(points) < side:
        below, right = np.roll(points, -1, 0), np.roll(points, -1, 1)
        middle = point_between(points, below, right, np.roll(below, -1, 1))
        on_row = point_between(points, right, middle, np.roll(middle, 1, 0))
        on_column = point_between(points, below, middle, np.roll(middle, 1, 1))
        upper, lower = (
            np.stack(pair, 2).reshape(len(points), -1)
            for pair in ((points, on_row), (on_column, middle))
        )
        points = np.stack([upper, lower], 1).reshape(2 * len(points), -1)
        amplitude /= decay**2
    points -= points.min()
    return points / points.max()
