"""Settings of a run that are objects instead of words, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_vit import recipes
from keras_vit.recipes import Recipe
from keras_vit.recipes.recipe import settings_of_labels
from keras_vit.recipes.tasks import (
    TASKS,
    ClassificationSettings,
    fields_of_tasks,
)
from keras_vit.training.described import kind_of
from keras_vit.training.keras_losses import check_loss
from keras_vit.training.optimizers import (
    OF_THE_SCHEDULE,
    check_optimizer,
    settings_replaced_by,
)
from keras_vit.training.tasks import Task

# Settings that may be objects as well as words, and one that no word says.
OBJECTS = ("task", "loss", "optimizer", "schedule", "augmentation")


def is_word(value: Any) -> bool:
    """Return whether a file can hold a setting: a word, several, or nothing."""
    several = isinstance(value, list | tuple)
    return all(isinstance(one, str | None) for one in (value if several else [value]))


def check_objects(objects: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse objects of another kind, and settings that an object replaces.

    Raises:
        TypeError, ValueError: naming what is to be left out.
    """
    if not isinstance(objects.get("task"), Task | None):
        raise TypeError(
            f"task must be one of {', '.join(TASKS)}, or a keras_vit.training.Task."
            f" Received: {kind_of(objects['task'])}"
        )
    if "loss" in objects:
        check_loss(objects["loss"])
    if "optimizer" in objects:
        check_optimizer(objects["optimizer"])
    for name, others in replaced_by(objects).items():
        clash = [other for other in others if other in {**settings, **objects}]
        if clash:
            raise ValueError(
                f"{', '.join(clash)} must go with a word as {name}, or with none. "
                f"Received: {name}={kind_of(objects[name])}, which has its own. Leave "
                f"out {', '.join(clash)}"
            )


def check_teacher(objects: Mapping[str, Any], teacher: Any) -> None:
    """Refuse a teacher that no task would ask.

    Raises:
        ValueError: naming what is to be left out.
    """
    for name in ("task", "loss"):
        if teacher is not None and name in objects:
            raise ValueError(
                f"teacher must go with a word as {name}, or with none. Received: "
                f"{name}={kind_of(objects[name])}, which asks no teacher. Leave out "
                f"teacher, or {name}"
            )


def replaced_by(objects: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the settings that objects replace, by the objects' names."""
    replaced: dict[str, tuple[str, ...]] = {}
    if "task" in objects:
        replaced["task"] = (*fields_of_tasks(),)
    if "optimizer" in objects:
        replaced["optimizer"] = settings_replaced_by(objects["optimizer"])
    if "schedule" in objects:
        replaced["schedule"] = OF_THE_SCHEDULE
    return replaced


def check_fits(objects: Mapping[str, Any], recipe: Recipe) -> None:
    """Refuse objects that the recipe cannot be run with.

    Raises:
        ValueError: naming the setting that has to change.
    """
    if "loss" in objects and type(recipe.task) is not ClassificationSettings:
        raise ValueError(
            "loss as an object must go with task=classification. Received: "
            f"task={recipes.name_of(recipe.task)}"
        )
    _check_without_labels(objects.get("task"), recipe)
    settings = recipe.optimizer
    varied = settings.layer_decay != 1 or settings.lr_multipliers
    if varied and isinstance(objects.get("optimizer"), keras.optimizers.Optimizer):
        raise ValueError(
            "An optimizer of Keras's has one learning rate for all weights, so it must "
            "go with layer_decay=1 and lr_multipliers={}. Received: "
            f"layer_decay={settings.layer_decay}, "
            f"lr_multipliers={settings.lr_multipliers}. Set them so, or name an "
            "optimizer of recipes"
        )


def _check_without_labels(task: Task | None, recipe: Recipe) -> None:
    """Refuse settings of labels with a task that was passed and learns none.

    Raises:
        ValueError: naming them.
    """
    if task is None or task.learns_labels:
        return
    found = settings_of_labels(recipe)
    if found:
        none = recipes.as_flat(Recipe())
        raise ValueError(
            f"{', '.join(found)} must go with a task that learns labels. Received: "
            f"task={kind_of(task)}, whose learns_labels is False, {_in_words(found)}. "
            f"Set {_in_words({name: none[name] for name in found})}"
        )


def _in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
