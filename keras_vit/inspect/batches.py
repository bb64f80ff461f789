"""Images in batches, however they are given."""

import numpy as np


def batches_of(images, batch_size):
    """Gives an array in batches of nearly one size, and batches as they are.

    Args:
        images: `(N, ...)`, or an iterable of `(n, ...)`.
        batch_size: the most images of a batch, of an array.

    Raises:
        ValueError: for a batch size below 1.

    Example:

    >>> [len(batch) for batch in batches_of(np.zeros((9, 2)), 4)]
    [3, 3, 3]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: {batch_size}")
    if not hasattr(images, "shape"):
        return images
    count = max(1, -(-len(images) // batch_size))
    return np.array_split(np.asarray(images), count)
