"""Random changes to training images.

Every draw depends on a key of two integers alone, the run's seed and the
image's place in its stream: a place gives the same image whenever, in
whatever batch and on whatever machine it is reached.
"""

from dataclasses import dataclass

import tensorflow as tf

from keras_vit.data.preprocessing import resize
from keras_vit.data.randaugment import DRAWS_PER_LAYER, rand_augment

CROPS = ("none", "inception", "pad")


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random in training images.

    Attributes:
        crop: `"inception"`: a part of `crop_area` of the image, its sides in
            a ratio of 3:4 to 4:3, resized (arXiv:1409.4842). `"pad"`: after
            resizing, the image is moved by up to `crop_padding` pixels over
            black. `"none"`: the whole image.
        crop_area: the least and the largest share of the image's area.
        crop_padding: in pixels of the model's input.
        flip: whether images are mirrored left to right, with even chances.
        randaugment: (n, m), how many operations and how strong
            (arXiv:1909.13719); `None`: none.
        mixup: p, for mixing each image with its neighbour in the batch in a
            ratio drawn from Beta(p, p) for the batch (arXiv:1710.09412);
            0: none.
    """

    crop: str = "none"
    crop_area: tuple[float, float] = (0.05, 1.0)
    crop_padding: int = 0
    flip: bool = False
    randaugment: tuple[int, float] | None = None
    mixup: float = 0.0


def augmented(read, index, key, augmentation, size):
    """Reads an image and changes it.

    Args:
        read: as a split's `reader()` gives it.
        index: of the image in the split.
        key: two integers that settle all draws.
        augmentation: an `Augmentation`.
        size: (height, width) of what the model takes.

    Returns:
        An image `(height, width, 3)`, uint8 or float32, but not yet mixed.
    """
    crop_key = tf.random.experimental.stateless_fold_in(key, 1)
    window = None
    if augmentation.crop == "inception":
        window = inception_window(crop_key, augmentation.crop_area)
    image = resize(read(index, window), size)
    image = tf.ensure_shape(image, (*size, 3))
    layers, magnitude = augmentation.randaugment or (0, 0)
    draws = tf.random.stateless_uniform((3 + layers * DRAWS_PER_LAYER,), key)
    if augmentation.crop == "pad":
        image = padded_crop(image, draws[:2], augmentation.crop_padding)
    if augmentation.flip:
        image = flipped(image, draws[2])
    if layers:
        # The reference resizes to uint8 by cutting fractions off.
        whole = tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)
        image = rand_augment(whole, draws[3:], layers, magnitude)
    return image


def inception_window(key, area):
    """Gives the function that chooses a window in an image of a given size."""

    def window(height, width):
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.stack([height, width, 3]),
            tf.zeros((1, 0, 4)),
            key,
            min_object_covered=0,
            area_range=area,
            aspect_ratio_range=(3 / 4, 4 / 3),
            max_attempts=100,
            use_image_if_no_bounding_boxes=True,
        )
        return begin[0], begin[1], size[0], size[1]

    return window


def flipped(image, draw):
    """Mirrors an image left to right where the draw is below one half."""
    return tf.cond(draw < 0.5, lambda: image[:, ::-1], lambda: image)


def padded_crop(image, draws, padding):
    """Surrounds an image with black and cuts its size out of that.

    Args:
        image: `(H, W, 3)`.
        draws: two numbers in [0, 1), for the place down and across.
        padding: pixels of black on each side.
    """
    height, width = image.shape[:2]
    offsets = tf.cast(draws * (2 * padding + 1), tf.int32)
    border = [padding, padding]
    padded = tf.pad(image, [border, border, [0, 0]])
    return tf.slice(padded, [offsets[0], offsets[1], 0], [height, width, 3])


def mixup_ratio(key, p):
    """The larger share in a mixture of two, from Beta(p, p) and at least 1/2."""
    # In float64, where a gamma variate of a small p does not vanish.
    gammas = tf.random.stateless_gamma((2,), key, p, dtype=tf.float64)
    share = gammas[0] / (gammas[0] + gammas[1])
    return tf.cast(tf.maximum(share, 1 - share), tf.float32)


def mixed(values, neighbours, ratio):
    """`ratio` of the values and the rest of their neighbours, in float32."""
    values, neighbours = tf.cast(values, tf.float32), tf.cast(neighbours, tf.float32)
    return ratio * values + (1 - ratio) * neighbours
