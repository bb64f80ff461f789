"""Many small maps as one image, which is drawn at once."""

from __future__ import annotations

from typing import Any

import numpy as np


def mosaic(tiles: Any, gap: int = 1) -> np.ndarray:
    """Place maps of one size beside each other, with NaN between them.

    Args:
        tiles: `(M, N, h, w)`, or `(M, N, h, w, C)`: M rows of N maps.
        gap: cells between two of them.

    Returns:
        `(M (h + gap) - gap, N (w + gap) - gap)`, or that with C channels.

    Example:

    >>> mosaic(np.ones((2, 3, 4, 5))).shape
    (9, 17)
    """
    rows, columns, height, width, *channels = np.shape(tiles)
    spaced = np.full((rows, columns, height + gap, width + gap, *channels), np.nan)
    spaced[:, :, :height, :width] = tiles
    whole = spaced.swapaxes(1, 2).reshape(
        rows * (height + gap), columns * (width + gap), *channels
    )
    return whole[: whole.shape[0] - gap, : whole.shape[1] - gap]


def middles(count: int, side: int, gap: int = 1) -> np.ndarray:
    """Return the middles of maps along a mosaic, for ticks."""
    return np.arange(count) * (side + gap) + (side - 1) / 2


def spread(count: int, most: int) -> np.ndarray:
    """Return at most `most` of `range(count)`, evenly spread, beginning with 0.

    Example:

    >>> spread(24, 12).tolist()
    [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]
    """
    return np.arange(0, count, -(-count // most))
