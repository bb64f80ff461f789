"""Many small maps as one picture, which is drawn at once however many they are."""

import numpy as np


def mosaic(tiles, gap=1):
    """Puts maps of one size beside each other, with nothing (NaN) between them.

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


def middles(count, side, gap=1):
    """Where the middles of so many maps lie along a mosaic, for ticks."""
    return np.arange(count) * (side + gap) + (side - 1) / 2


def spread(count, most):
    """At most so many of `range(count)`, evenly spread, the first among them.

    Example:

    >>> spread(24, 12).tolist()
    [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]
    """
    return np.arange(0, count, -(-count // most))
