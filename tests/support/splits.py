"""Small splits."""

import numpy as np

import keras_vit


def numbered(count):
    """A split whose image i is filled with i, and whose label is i."""
    labels = np.arange(count)
    images = np.broadcast_to(labels[:, None, None, None], (count, 4, 6, 3))
    return keras_vit.data.Split(images.astype(np.uint8), labels)
