"""Fixed sine and cosine positions."""

from __future__ import annotations

import numpy as np


def sincos_2d(
    height: int, width: int, dim: int, temperature: float = 10_000.0
) -> np.ndarray:
    """Return position vectors of a grid that need no training.

    MoCo v3's form (arXiv:2104.02057), as in the plain ViT of
    arXiv:2205.01580: with K = dim / 4 frequencies
    `w_k = temperature^(-k / (K - 1))`, the vector of row y and column x is
    `[sin x w, cos x w, sin y w, cos y w]`.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        dim: features, which 4 must divide.
        temperature: the longest wavelength over 2 pi.

    Returns:
        float32, `(height * width, dim)`, the grid in row-major order.

    Raises:
        ValueError: if 4 does not divide `dim`, or `dim` is 4.

    Example:

    >>> sincos_2d(14, 14, 192).shape
    (196, 192)
    """
    if dim % 4 or dim < 8:
        raise ValueError(
            "Positions by sine and cosine need a width that 4 divides, of at least 8. "
            f"Received: {dim}"
        )
    y, x = np.mgrid[:height, :width].reshape(2, -1, 1)
    frequencies = temperature ** -np.linspace(0, 1, dim // 4)
    angles = x * frequencies, y * frequencies
    parts = [f(angle) for angle in angles for f in (np.sin, np.cos)]
    return np.concatenate(parts, axis=1).astype(np.float32)
