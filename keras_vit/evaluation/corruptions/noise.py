"""Noise of a camera and of a wire. Pixels x lie in [0, 1]."""

from __future__ import annotations

import numpy as np


def gaussian(x: np.ndarray, rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Add normal noise: low light."""
    return x + deviation * rng.standard_normal(x.shape, np.float32)


def shot(x: np.ndarray, rng: np.random.Generator, photons: float) -> np.ndarray:
    """Count photons, of which white has so many on average: Poisson noise."""
    return rng.poisson(x * photons) / photons


def impulse(x: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Set a share of all values to 0 or 1: bit errors, salt and pepper."""
    hit, salt = rng.random((2, *x.shape), np.float32)
    return np.where(hit < share, salt < 0.5, x)


def speckle(x: np.ndarray, rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Add normal noise that is stronger where the image is brighter."""
    return x + deviation * x * rng.standard_normal(x.shape, np.float32)
