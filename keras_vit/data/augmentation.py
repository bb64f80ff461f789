"""Random changes to training images, one by one.

Nothing here draws: each image comes with its numbers in [0, 1), `DRAWS` of them
and those of RandAugment, which settle all that happens to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_vit.data.augmentation_layers import ImageChange
from keras_vit.data.preprocessing import resize
from keras_vit.data.randaugment import DRAWS_PER_LAYER, rand_augment

if TYPE_CHECKING:
    from keras_vit.recipes import AugmentationSettings

CROPS = ("none", "inception", "random_resized", "pad")
# What an image's numbers are for: its place down and across, or the seed of its
# window; whether it is mirrored; whether, how much, in which ratio and where down
# and across it is erased.
DOWN, ACROSS, MIRROR, ERASE = 0, 1, 2, 3
DRAWS = 8


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is changed at random in training images.

    Attributes:
        crop: `"inception"`: a part of `crop_area` of the image, its sides in
            a ratio of 3:4 to 4:3, resized (arXiv:1409.4842), as Google's code
            draws it. `"random_resized"`: the same, as torchvision's and timm's
            `RandomResizedCrop` draw it, which keeps more. `"pad"`: after
            resizing, the image is moved by up to `crop_padding` pixels over
            black. `"none"`: the whole image.
        crop_area: the least and the largest share of the image's area.
        crop_padding: in pixels of the model's input.
        resize_antialias: whether what is more than twice as long or wide as the
            model's input is resized to it with antialiasing.
        flip: whether images are mirrored left to right, with even chances.
        randaugment: (n, m), how many operations and how strong
            (arXiv:1909.13719); `None`: none.
        erasing: the chance that a rectangle of an image, 2 % to a third of
            its area, becomes noise (arXiv:1708.04896).
        mixup: p, for mixing each image with its neighbour in the batch in a
            ratio drawn from Beta(p, p) for the batch (arXiv:1710.09412);
            0: none.
        cutmix: p, for putting a rectangle of its neighbour into each image,
            its share drawn from Beta(p, p) for the batch (arXiv:1905.04899);
            0: none. With `mixup` too, each batch has one of them, with even
            chances.
        repeats: how often an image is in its batch, each time changed anew
            (arXiv:1901.09335).
        layers: what else changes each image, in order, after all of these but
            erasing and mixing: `ImageChange`s (see
            `keras_vit.data.augmentation_layers`).
    """

    crop: str = "none"
    crop_area: tuple[float, float] = (0.05, 1.0)
    crop_padding: int = 0
    resize_antialias: bool = False
    flip: bool = False
    randaugment: tuple[int, float] | None = None
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    repeats: int = 1
    layers: tuple[ImageChange, ...] = ()

    @classmethod
    def of(
        cls, settings: AugmentationSettings, changes: tuple[ImageChange, ...] = ()
    ) -> Augmentation:
        """Return how a recipe augments training images, by `recipe.augmentation`.

        Args:
            settings: of the recipe.
            changes: what its setting `augmentation`, or the object in its place,
                stands for.
        """
        layers = settings.randaugment_layers
        return cls(
            crop=settings.crop or "none",
            crop_area=(settings.crop_area, 1.0),
            crop_padding=settings.crop_padding or 0,
            resize_antialias=settings.resize_antialias,
            flip=settings.flip,
            randaugment=(layers, settings.randaugment_magnitude) if layers else None,
            erasing=settings.random_erasing or 0.0,
            mixup=settings.mixup or 0.0,
            cutmix=settings.cutmix or 0.0,
            repeats=settings.repeats,
            layers=changes,
        )

    def num_draws(self) -> int:
        """Return how many random numbers an image needs."""
        layers, _ = self.randaugment or (0, 0)
        return DRAWS + layers * DRAWS_PER_LAYER + 2 * len(self.layers)

    def dtype(self) -> tf.DType:
        """Return the dtype of images that were changed one by one."""
        return tf.uint8 if self.randaugment and not self.layers else tf.float32

    def changes_images(self) -> bool:
        """Return whether images are changed one by one, mixing aside."""
        moved = self.crop in WINDOWS or (self.crop == "pad" and self.crop_padding > 0)
        return moved or bool(
            self.flip or self.randaugment or self.erasing or self.layers
        )

    def keeps_images_apart(self) -> bool:
        """Return whether some change cannot be made to many images at once."""
        one_by_one = self.randaugment or self.erasing or self.layers
        return self.crop in WINDOWS or bool(one_by_one)


def augmented(
    read: Callable[..., tf.Tensor],
    draws: tf.Tensor,
    augmentation: Augmentation,
    size: tuple[int, int],
) -> tf.Tensor:
    """Read an image and augment it.

    Args:
        read: the image, a function `(window=None)`, as a split's `examples` have it.
        draws: the image's numbers, `(augmentation.num_draws(),)`.
        augmentation: an `Augmentation`.
        size: (height, width) of what the model takes.

    Returns:
        An image `(height, width, 3)`, not yet mixed.
    """
    window = None
    if augmentation.crop in WINDOWS:
        seed = tf.bitcast(draws[DOWN : ACROSS + 1], tf.int32)
        window = WINDOWS[augmentation.crop](seed, augmentation.crop_area)
    image = read(window)
    image = resize(image, size, antialias=augmentation.resize_antialias)
    image = tf.ensure_shape(image, (*size, 3))
    if augmentation.crop == "pad":
        image = moved(image[tf.newaxis], draws[tf.newaxis], augmentation)[0]
    elif augmentation.flip:
        mirrored = tf.range(size[1])[::-1]
        image = tf.cond(  # which costs nothing where there is nothing to do
            draws[MIRROR] < 0.5,
            lambda: tf.gather(image, mirrored, axis=1),
            lambda: image,
        )
    if augmentation.randaugment:
        # The reference resizes to uint8 by cutting fractions off.
        whole = tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)
        layers, magnitude = augmentation.randaugment
        of_layers = draws[DRAWS : DRAWS + layers * DRAWS_PER_LAYER]
        image = rand_augment(whole, of_layers, layers, magnitude)
    image = tf.cast(image, augmentation.dtype())
    first = augmentation.num_draws() - 2 * len(augmentation.layers)
    for number, change in enumerate(augmentation.layers):
        own = draws[first + 2 * number : first + 2 * number + 2]
        image = change(image, tf.bitcast(own, tf.int32))
    if augmentation.erasing:
        image = tf.cond(
            draws[ERASE] < augmentation.erasing,
            lambda: erased(image, draws[ERASE + 1 : DRAWS]),
            lambda: image,
        )
    return image


def inception_window(
    seed: tf.Tensor, area: tuple[float, float]
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]:
    """Return the function that chooses a window in an image of a given size."""

    def window(height, width):
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.stack([height, width, 3]),
            tf.zeros((1, 0, 4)),
            seed,
            min_object_covered=0,
            area_range=area,
            aspect_ratio_range=(3 / 4, 4 / 3),
            max_attempts=100,
            use_image_if_no_bounding_boxes=True,
        )
        return begin[0], begin[1], size[0], size[1]

    return window


def random_resized_window(
    seed: tf.Tensor, area: tuple[float, float]
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]:
    """Return the function that chooses a window as torchvision's code does.

    As `RandomResizedCrop.get_params` of torchvision and timm: an area, even in
    `area`, and a ratio, even in its logarithm, until they fit, ten times at most;
    else the largest window in the middle whose ratio is allowed.
    """

    def window(height, width):
        sides = tf.cast(tf.stack([height, width]), tf.float32)
        draws = tf.random.stateless_uniform((TRIES + 1, 2), seed)
        pixels = tf.reduce_prod(sides) * (area[0] + draws[1:, 0] * (area[1] - area[0]))
        ratio = tf.exp((2 * draws[1:, 1] - 1) * tf.math.log(4 / 3))  # width / height
        tries = tf.round(tf.sqrt(tf.stack([pixels / ratio, pixels * ratio], 1)))
        fits = tf.reduce_all((tries > 0) & (tries <= sides), 1)
        longest = tf.round(sides[::-1] * [4 / 3, 4 / 3])  # beside the other side
        size = tf.cond(
            tf.reduce_any(fits),
            lambda: tries[tf.argmax(fits)],
            lambda: tf.minimum(sides, longest),
        )
        free = sides - size
        begin = tf.where(
            tf.reduce_any(fits), tf.floor(draws[0] * (free + 1)), free // 2
        )
        numbers = tf.cast(tf.concat([begin, size], 0), tf.int32)
        return numbers[0], numbers[1], numbers[2], numbers[3]

    return window


TRIES = 10
# How a crop chooses its window in an image of a given size.
WINDOWS = {"inception": inception_window, "random_resized": random_resized_window}


def moved(images: tf.Tensor, draws: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    """Mirror images left to right, and move them over black.

    Args:
        images: `(B, H, W, 3)`.
        draws: the images' numbers, `(B, n)`.
        augmentation: of which `flip` and `crop_padding` count.

    Returns:
        As many images of that size.
    """
    shape: Any = images.shape
    height, width = shape[1:3]
    padding = augmentation.crop_padding
    offsets = tf.cast(draws[:, :2] * (2 * padding + 1), tf.int32) - padding
    rows = tf.range(height) + offsets[:, DOWN, tf.newaxis]
    columns = tf.range(width) + offsets[:, ACROSS, tf.newaxis]
    inside = ((rows >= 0) & (rows < height))[:, :, tf.newaxis]
    inside &= ((columns >= 0) & (columns < width))[:, tf.newaxis]
    if augmentation.flip:
        mirror = draws[:, MIRROR, tf.newaxis] < 0.5
        columns = tf.where(mirror, width - 1 - columns, columns)
    first = tf.range(tf.shape(images)[0])[:, tf.newaxis, tf.newaxis] * height * width
    places = first + rows[:, :, tf.newaxis] * width + columns[:, tf.newaxis]
    # One gather from all pixels and, in front of them, a black one.
    pixels = tf.pad(tf.reshape(images, (-1, 3)), [[1, 0], [0, 0]])
    return tf.gather(pixels, tf.where(inside, places + 1, 0))


def erased(image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Fill a rectangle of an image with noise.

    Its area is 2 % to a third of the image's, its sides in a ratio of 0.3 to
    1 / 0.3, evenly in the logarithm, cut to the image's own.

    Args:
        image: `(H, W, 3)`.
        draws: four numbers, for area, ratio, and the place down and across.

    Returns:
        An image of the same shape and dtype; the noise is even in [0, 255].
    """
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    area = (0.02 + draws[0] * (1 / 3 - 0.02)) * tf.reduce_prod(sides)
    ratio = tf.exp((2 * draws[1] - 1) * tf.math.log(0.3))
    rectangle = tf.sqrt(tf.stack([area * ratio, area / ratio]))
    rectangle = tf.minimum(tf.round(rectangle), sides)
    start = tf.cast(tf.floor(draws[2:4] * (sides - rectangle + 1)), tf.int32)
    rectangle = tf.cast(rectangle, tf.int32)
    seed = tf.bitcast(draws[2:4], tf.int32)
    noise = 256 * tf.random.stateless_uniform((rectangle[0], rectangle[1], 3), seed)
    end = tf.shape(image)[:2] - start - rectangle
    around = tf.concat([tf.stack([start, end], axis=1), [[0, 0]]], axis=0)
    noise = tf.pad(tf.cast(tf.floor(noise), image.dtype), around, constant_values=0)
    kept = tf.pad(
        tf.zeros((rectangle[0], rectangle[1], 1), image.dtype),
        around,
        constant_values=1,
    )
    return image * kept + noise
