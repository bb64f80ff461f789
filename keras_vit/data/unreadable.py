"""Images that cannot be read, and those that take their places."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from keras_vit.data.images import UnreadableImageError
from keras_vit.data.labelled import Labelled

# What the graph raises where an image cannot be read.
READING_ERRORS = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.DataLossError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnknownError,  # of Python in the graph
)


def unreadable_among(split: Labelled, indices: Iterable[int]) -> dict[int, str]:
    """Find the images that cannot be read.

    Args:
        split: a split.
        indices: of the images to try.

    Returns:
        What is wrong with each of them that cannot be read, by index, in the
        order of `indices`.
    """
    indices = list(dict.fromkeys(int(index) for index in indices))

    def reason(index):
        try:
            split.image(index)
        except UnreadableImageError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as threads:
        reasons = dict(zip(indices, threads.map(reason, indices), strict=True))
    return {index: why for index, why in reasons.items() if why is not None}


def replacements(count: int, unreadable: Iterable[int]) -> np.ndarray:
    """Return the image that is shown in the place of each.

    In the place of one that cannot be read that is the next one that can,
    counted round, so that a split ordered by class keeps its classes.

    Args:
        count: N, the images of a split.
        unreadable: indices of some, not of all.

    Returns:
        Indices `(N,)`.

    Example:

    >>> replacements(5, [1, 2, 4])
    array([0, 3, 3, 3, 0])
    """
    indices = np.arange(count)
    readable = np.setdiff1d(indices, list(unreadable))
    return readable[np.searchsorted(readable, indices) % len(readable)]
