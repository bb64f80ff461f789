"""Kernels of the patch embedding for patches of another size.

The pseudo-inverse resize (PI-resize) of "FlexiViT: One Model for All Patch
Sizes" (arXiv:2212.08013, section 3.4). A kernel w reads a patch x as <x, w>.
Of the same patch with more pixels, B x, where B is the matrix of bilinear
interpolation, the new kernel w' shall read the same: <B x, w'> = <x, w> for
every x, so B^T w' = w. When patches grow that has solutions, of which
w' = (B^T)^+ w is the smallest; when they shrink it is the best in the least
squares. Interpolating w itself would read patches louder the larger they are,
and blurred.

Interpolation is that of `tf.image.resize`, by half pixels and without
antialiasing, as in the authors' code.
"""

from collections.abc import Sequence

import numpy as np


def resize_kernel(
    kernel: np.ndarray, old: Sequence[int], new: Sequence[int]
) -> np.ndarray:
    """Return the kernel for patches of another size.

    Args:
        kernel: `(P Q C, D)`, of patches flattened row by row.
        old: (P, Q), the height and width of the patches that it reads.
        new: of those that it shall read.

    Returns:
        float32, `(P' Q' C, D)`; the kernel itself if the size is the same.

    Example:

    >>> kernel = np.ones((16 * 16 * 3, 192), np.float32)
    >>> resize_kernel(kernel, (16, 16), (8, 8)).shape
    (192, 192)
    """
    if tuple(old) == tuple(new):
        return kernel
    # Rows and columns are interpolated one after the other: B is the Kronecker
    # product of both matrices, and its pseudo-inverse that of theirs.
    rows, columns = (
        np.linalg.pinv(_bilinear(few, many).T)
        for few, many in zip(old, new, strict=True)
    )
    cells = np.reshape(kernel, (*old, -1, kernel.shape[-1])).astype(np.float64)
    resized = np.tensordot(columns, np.tensordot(rows, cells, 1), (1, 1))  # Q', P', ...
    resized = np.swapaxes(resized, 0, 1).reshape(-1, kernel.shape[-1])
    return resized.astype(np.float32)


def _bilinear(old, new):
    """The matrix that interpolates `old` pixels in a line to `new` of them."""
    places = (np.arange(new) + 0.5) * old / new - 0.5
    return np.stack([np.interp(places, range(old), one) for one in np.eye(old)], axis=1)
