"""From an image of any size to the pixels that a model takes."""

import tensorflow as tf


def resize(images, size):
    """Squashes images to a size, as the reference does in evaluation.

    Bilinear, half-pixel centres, no antialiasing, the aspect not preserved.

    Args:
        images: uint8 or float pixels, `(H, W, 3)` or `(B, H, W, 3)`.
        size: (height, width) in pixels.

    Returns:
        The images as they came if they have that size; else float32.
    """
    if tuple(images.shape[-3:-1]) == tuple(size):
        return images
    return tf.image.resize(images, size, method="bilinear")
