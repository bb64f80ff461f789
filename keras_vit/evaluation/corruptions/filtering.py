"""Filters of an image `(H, W)` or `(H, W, C)`, made of SciPy's."""

from __future__ import annotations

import math

import numpy as np


def blurred(
    x: np.ndarray, sigma: float, mode: str = "nearest", truncate: float = 4.0
) -> np.ndarray:
    """Blur by a Gaussian.

    Args:
        x: an image.
        sigma: the standard deviation, in pixels.
        mode: how the image continues beyond its edges, one of SciPy's.
        truncate: standard deviations, beyond which the Gaussian is cut off.
    """
    from scipy import ndimage

    sigmas = (sigma, sigma, 0)[: x.ndim]
    return ndimage.gaussian_filter(x, sigmas, mode=mode, truncate=truncate)


def convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve each channel with a kernel of odd sides; edges are mirrored."""
    from scipy import signal

    margins = [(side // 2, side // 2) for side in kernel.shape]
    padded = np.pad(x, [*margins, (0, 0)], mode="reflect")
    return signal.fftconvolve(padded, kernel[..., None], mode="valid", axes=(0, 1))


def sampled(
    x: np.ndarray, rows: np.ndarray, columns: np.ndarray, mode: str
) -> np.ndarray:
    """Read each channel at places `(H, W)` between pixels, linearly.

    Args:
        x: an image `(h, w, C)`.
        rows: of the places, in pixels.
        columns: of the places.
        mode: as in `blurred`.
    """
    from scipy import ndimage

    places = np.stack([rows, columns])
    channels = [
        ndimage.map_coordinates(x[..., channel], places, order=1, mode=mode)
        for channel in range(x.shape[-1])
    ]
    return np.stack(channels, -1)


def zoomed(x: np.ndarray, factor: float) -> np.ndarray:
    """Magnify the middle of an image; its size stays.

    The pixels are those of `scipy.ndimage.zoom` with `order=1`, of the middle
    1 / factor of each side: only those that remain are computed.

    Example:

    >>> zoomed(np.arange(12.0).reshape(3, 4), 1).tolist()[0]
    [0.0, 1.0, 2.0, 3.0]
    """
    for axis in (0, 1):
        side = x.shape[axis]
        middle = math.ceil(side / factor)
        whole = round(middle * factor)  # pixels that the middle becomes
        step = (middle - 1) / max(whole - 1, 1)
        places = ((whole - side) // 2 + np.arange(side)) * step
        low = np.floor(places).astype(int).clip(0, max(middle - 2, 0))
        share = (places - low).astype(x.dtype)
        share = share.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
        low += (side - middle) // 2
        high = np.minimum(low + 1, side - 1)
        x = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return x
