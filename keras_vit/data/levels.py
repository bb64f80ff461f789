"""What `samples` does to samples and transparency, in TensorFlow's graph."""

import tensorflow as tf

_DEEP = 65535  # the highest sample of 16 bits


def levels_of_deep(
    values: tf.Tensor, pixel_range: tuple[float, float] | None = None
) -> tf.Tensor:
    """Return samples of 16 bits as levels, as `samples.levels_of` does.

    Args:
        values: uint16.
        pixel_range: the samples that become 0 and 255; `None`: 0 and 65535.

    Returns:
        uint8, of the same shape.

    Example:

    >>> levels_of_deep(tf.constant([0, 2048, 9999], tf.uint16), (0, 4095)).numpy()
    array([  0, 128, 255], dtype=uint8)
    """
    low, high = pixel_range or (0, _DEEP)
    levels = (tf.cast(values, tf.float32) - low) * (255 / (high - low))
    return tf.saturate_cast(tf.floor(tf.clip_by_value(levels, 0, 255) + 0.5), tf.uint8)


def flattened(image: tf.Tensor, backdrop: int | None) -> tf.Tensor:
    """Return pixels without alpha, as they are seen before a background.

    Args:
        image: uint8 `(H, W, 4)`.
        backdrop: the level behind them, 0 to 255; `None`: alpha is dropped.

    Returns:
        uint8 `(H, W, 3)`, as `samples.laid_on` returns them.

    Example:

    >>> flattened(tf.constant([[[0, 100, 255, 51]]], tf.uint8), 255).numpy().tolist()
    [[[204, 224, 255]]]
    """
    pixels, share = tf.split(image, [3, 1], axis=-1)
    if backdrop is None:
        return pixels
    pixels, share = tf.cast(pixels, tf.int32), tf.cast(share, tf.int32)
    mixed = (pixels * share + backdrop * (255 - share) + 127) // 255
    return tf.cast(mixed, tf.uint8)
