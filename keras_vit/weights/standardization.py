"""Kernels of one form of weight standardization that do the same in another.

A centred kernel of deviation s is divided by s + 1e-5 in Google's hybrids, by
sqrt(s^2 + 1e-8) in timm's. Each filter times a number of its own makes the one
quotient out of the other: solve c w / f(c s) = w / g(s) for c.
"""

import numpy as np

FACTORS = {  # from a form, to a form: of a deviation
    ("deviation", "variance"): lambda s: 1e-4 / np.sqrt(2e-5 * s + 1e-10),
    ("variance", "deviation"): lambda s: 1e3 * (np.sqrt(s**2 + 1e-8) + s),
}


def restandardized(kernel: np.ndarray, form: str, wanted: str) -> np.ndarray:
    """Return a kernel that is in another form what this one is in its own.

    Args:
        kernel: `(h, w, C, F)`.
        form: in which it is used, a key of `layers.resnet.STANDARDIZATIONS`.
        wanted: in which it shall be used.

    Returns:
        float32, `(h, w, C, F)`.

    Example:

    >>> kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 8))
    >>> there = restandardized(kernel, "deviation", "variance")
    >>> back = restandardized(there, "variance", "deviation")
    >>> bool(np.allclose(back, kernel, atol=1e-5))
    True
    """
    if form == wanted:
        return kernel
    kernel = np.asarray(kernel, np.float64)
    deviation = kernel.std(axis=(0, 1, 2), keepdims=True)
    return (kernel * FACTORS[form, wanted](deviation)).astype(np.float32)
