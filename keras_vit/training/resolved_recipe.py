"""A recipe with the arguments and settings of a run in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import keras

from keras_vit import recipes
from keras_vit.data import Dataset
from keras_vit.data.sources import OPTIONS
from keras_vit.factories import find
from keras_vit.recipes import Recipe
from keras_vit.recipes.optimization import Decay
from keras_vit.suggestions import did_you_mean
from keras_vit.training.arguments import TrainArguments
from keras_vit.training.described import kind_of
from keras_vit.training.existing_model import ExistingModel
from keras_vit.training.recipe_model import IMAGE_SIZE, OF_A_VIT

# What a recipe sets for a model that it builds, and for no other.
OF_A_BUILT_MODEL = (
    "head_bias",
    "precision",
    "model_arguments",
    "stem_blocks",
    "stem_width_factor",
    "stem",
    *OF_A_VIT,
)


def resolved(
    recipe: str | Recipe, arguments: TrainArguments, settings: Mapping[str, Any]
) -> Recipe:
    """Return the recipe with all arguments and settings in it.

    Args:
        recipe: a `Recipe` or the name of one.
        arguments: model, data and teacher.
        settings: of the recipe, or options of `keras_vit.data.load`, by name.

    Raises:
        ValueError, TypeError: for what is unknown, or clashes.
    """
    if not isinstance(recipe, str | Recipe):
        raise TypeError(
            "recipe must be a name of keras_vit.recipes.RECIPES or a "
            f"keras_vit.recipes.Recipe. Received: {kind_of(recipe)}"
        )
    named = isinstance(recipe, str)
    if isinstance(recipe, str):
        recipe = recipes.get(recipe)
    options = {n: settings[n] for n in OPTIONS if settings.get(n) is not None}
    settings = {n: value for n, value in settings.items() if n not in OPTIONS}
    _check_known(settings)
    model = arguments.model
    built = isinstance(model, str) and find(model) is not None
    of_model = {"stem_width_factor"} if built else {*OF_A_BUILT_MODEL}
    clash = sorted(settings.keys() & of_model) if model is not None else []
    if clash:
        raise ValueError(
            f"{', '.join(clash)} must go with a model that the recipe builds. "
            f"Received: model={model if isinstance(model, str) else kind_of(model)}, "
            f"which has its own. Leave out {', '.join(clash)}, or model"
        )
    if built and isinstance(model, str):
        recipe = recipes.with_model(recipe, model)
    elif model is not None:
        recipe = recipes.with_model(recipe, model if isinstance(model, str) else None)
        if named:  # what it sets for its own model
            if "image_size" not in settings:
                ExistingModel.of(model).tell_size(recipe.model.image_size)
            own = {"head_bias": 0.0, "precision": "float32", "image_size": None}
            recipe = recipes.changed(recipe, own)
    changes = _of_data(recipe, arguments.dataset, options) | settings
    if "dataset_options" in settings:  # of a file; the others were passed by name
        changes["dataset_options"] = {**settings["dataset_options"], **options}
    if isinstance(arguments.teacher, str):
        changes = changes | {"teacher": arguments.teacher}
    recipe = recipes.changed(recipe, changes)
    source = model if model is not None else recipe.model.name
    if source is None:
        return recipe
    if isinstance(source, str) and find(source) is not None:
        built_size = recipe.model.image_size or IMAGE_SIZE
        return recipes.changed(recipe, {"image_size": built_size})
    return _of_existing(recipe, ExistingModel.of(source), arguments, named=named)


def _of_existing(
    recipe: Recipe, model: ExistingModel, arguments: TrainArguments, *, named: bool
) -> Recipe:
    """Return the recipe with what a model that exists has by itself, checked.

    Args:
        recipe: with all settings.
        model: that is trained.
        arguments: that it may stand in.
        named: whether the recipe has a name, and is not the user's own.
    """
    if not named:
        model.check_recipe(recipe)
    if isinstance(arguments.model, keras.Model):
        model.check_size(recipe.model.image_size)
    recipe = model.with_precision(recipe)
    if recipe.model.image_size is not None:
        return recipe
    return recipes.with_image_size(recipe, model.size)


def _check_known(settings: Mapping[str, Any]) -> None:
    if "schedule" in settings:  # a word, as objects are no settings
        raise TypeError(
            "schedule must be a function of the step or a learning rate schedule of "
            f"Keras's. Received: schedule={settings['schedule']!r}. Pass a word as "
            f"decay=, one of {', '.join(get_args(Decay))}"
        )
    known = recipes.setting_kinds()
    unknown = sorted(settings.keys() - known)
    if unknown:
        meant = "".join(did_you_mean(name, [*known, *OPTIONS]) for name in unknown)
        raise TypeError(
            f"train has no argument and a recipe no setting {', '.join(unknown)}. "
            f"Expected some of {', '.join(sorted(known))}.{meant}"
        )


def _of_data(
    recipe: Recipe, dataset: str | Dataset | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the settings of the data set: its name, and its options."""
    if isinstance(dataset, Dataset):
        if options:
            raise ValueError(
                f"{', '.join(options)} must go with a data set's name or path. "
                "Received: a Dataset or arrays, which have been read already. "
                f"Leave out {', '.join(options)}, or make the Dataset with them"
            )
        return {"dataset": dataset.name, "dataset_options": {}}
    if dataset is None or dataset == recipe.data.name:
        return {"dataset_options": recipe.data.options | options}
    return {"dataset": dataset, "dataset_options": options}
