"""The cache of a run: how large its images have to be, and whether they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from keras_vit.data.augmentation import WINDOWS
from keras_vit.data.caching import cached, is_cached
from keras_vit.data.image_cache import check_settings
from keras_vit.preprocessing import resolve
from keras_vit.training.existing_model import ExistingModel
from keras_vit.training.recipe_model import IMAGE_SIZE

if TYPE_CHECKING:
    import os

    from keras_vit.data import Dataset
    from keras_vit.recipes import Recipe
    from keras_vit.training.config import RunConfig


def through_cache(
    data: Dataset, cache: str | os.PathLike[str] | None, config: RunConfig
) -> Dataset:
    """Return the data set of a run, read through a cache if it has one.

    Args:
        data: as it was loaded; perhaps one of `keras_vit.data.cached`.
        cache: as `train` takes it.
        config: of the run.

    Raises:
        ValueError: if the images of the cache are smaller than the run needs, or it
            cannot keep such images.
        OSError: if the disk has too little space.
    """
    if cache is None and not is_cached(data.train):
        return data
    needed = short_side_needed(config.recipe, _size(config))
    if cache is not None:
        return cached(data, cache, short_side=needed)
    if is_cached(data.train):
        check_settings(data.train.cache, needed)
    return data


def short_side_needed(recipe: Recipe, size: int) -> int:
    """Return the pixels of the short side of which no crop is enlarged.

    The smallest crop is a fraction `crop_area` of an image and becomes `size` pixels
    long. An evaluation that crops the middle first resizes to more than `size`.

    Args:
        recipe: of the run.
        size: of the model's images, the longer side, in pixels.

    Example:

    >>> from keras_vit import recipes
    >>> short_side_needed(recipes.get("finetune"), 224)
    448
    """
    crops = recipe.augmentation.crop in WINDOWS
    training = size / math.sqrt(recipe.augmentation.crop_area if crops else 1)
    preset = recipe.data.evaluation_preprocessing
    evaluation = size / (resolve(preset).crop_fraction if preset else 1)
    return math.ceil(round(max(training, evaluation), 6))


def _size(config: RunConfig) -> int:
    """Return the longer side of the images of a run's model, in pixels."""
    settings = config.recipe.model
    if settings.image_size is not None:
        return settings.image_size
    source = config.arguments.model or settings.name
    sides = ExistingModel.of(source).size if source is not None else ()
    return max((side for side in sides if side is not None), default=IMAGE_SIZE)
