"""What `train` is called with -> one checked configuration of a run."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import Any

import keras

from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.data.augmentation_layers import AugmentationArgument
from keras_vit.recipes import Recipe
from keras_vit.recipes.tasks import (
    ClassificationSettings,
)
from keras_vit.training.arguments import TrainArguments
from keras_vit.training.described import described
from keras_vit.training.objects import (
    OBJECTS,
    check_fits,
    check_objects,
    check_teacher,
    is_word,
    replaced_by,
)
from keras_vit.training.optimizers import (
    AnyOptimizer,
    build_optimizer,
)
from keras_vit.training.resolved_recipe import resolved
from keras_vit.training.schedules import schedule_of
from keras_vit.training.small_data import fitted_to
from keras_vit.training.tasks import Classification, Task, task_of

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunConfig:
    """What a run is made of: its recipe, and what no recipe holds.

    Attributes:
        recipe: with all settings in it.
        arguments: model, data and teacher, as `train` was given them.
        objects: settings that are objects, by name, such as a `Task`.
        set_by_user: the names of the settings that the user set, and not the recipe;
            all of them where he passed a `Recipe` of his own.
        fitted_from: what the recipe has for settings that were made to fit the
            training images, by name.
        seed: of the initial weights, the order of the images, their augmentation
            and dropout.
        jit_compile: whether XLA compiles the step.
        bar: whether a progress bar is drawn.
    """

    recipe: Recipe
    arguments: TrainArguments
    objects: Mapping[str, Any]
    _: KW_ONLY
    set_by_user: frozenset[str] = frozenset()
    fitted_from: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    jit_compile: bool = False
    bar: bool = True

    @classmethod
    def of(
        cls,
        recipe: str | Recipe,
        arguments: TrainArguments,
        settings: Mapping[str, Any],
        **options: Any,
    ) -> RunConfig:
        """Check all that a run is given, and return its configuration.

        Args:
            recipe: a `Recipe` or the name of one.
            arguments: model, data and teacher.
            settings: of the recipe, or options of `keras_vit.data.load`, by name.
            **options: `seed`, `jit_compile` and `bar`.

        Raises:
            ValueError, TypeError: for what is unknown, or clashes.
        """
        settings = {
            name: value
            for name, value in settings.items()
            if value is not None or name not in OBJECTS or name == "augmentation"
        }
        word = settings.get("augmentation")
        if isinstance(word, str) and word != "none":
            settings["augmentation"] = (word,)
        names = [n for n in OBJECTS if not is_word(settings.get(n))]
        objects = {name: settings.pop(name) for name in names}
        check_objects(objects, settings)
        check_teacher(objects, arguments.teacher)
        complete = resolved(recipe, arguments, settings)
        check_fits(objects, complete)
        if "schedule" in objects:
            objects["schedule"] = schedule_of(objects["schedule"])
        own = frozenset((*settings, *itertools.chain(*replaced_by(objects).values())))
        if isinstance(recipe, Recipe):
            own |= recipes.setting_kinds().keys()
        return cls(complete, arguments, objects, set_by_user=own, **options)

    def fitted(self, training_images: int, replicas: int) -> RunConfig:
        """Return the configuration with settings that fit few training images.

        What the user set is left as it is. Each change is logged.

        Args:
            training_images: how many there are.
            replicas: that share a batch.
        """
        before = recipes.as_flat(self.recipe)
        changes, sentences = fitted_to(
            before, self.set_by_user, training_images, replicas=replicas
        )
        for sentence in sentences:
            LOG.info(sentence)
        return dataclasses.replace(
            self,
            recipe=recipes.changed(self.recipe, changes),
            fitted_from={name: before[name] for name in changes},
        )

    def task(self, teacher: Classifier | None) -> Task:
        """Return the task of the run: the one that was passed, or the recipe's."""
        if "task" in self.objects:
            return self.objects["task"]
        settings = self.recipe.task
        if "loss" in self.objects and isinstance(settings, ClassificationSettings):
            return Classification(
                self.objects["loss"],
                settings.label_smoothing,
                class_weights=settings.class_weights,
            )
        return task_of(settings, teacher)

    def optimizer(self, trained: keras.Model, total_steps: int) -> AnyOptimizer:
        """Return the optimizer of the run: the one that was passed, or the recipe's."""
        return build_optimizer(
            trained,
            self.recipe.optimizer,
            self.objects.get("schedule", self.recipe.schedule),
            total_steps,
            passed=self.objects.get("optimizer"),
        )

    def augmentation(self) -> AugmentationArgument:
        """Return the layers and functions that augment images, or their names."""
        return self.objects.get("augmentation", self.recipe.augmentation.layers)

    def optimizer_config(self) -> dict[str, Any]:
        """Return what makes the optimizer of the run, by name."""
        settings = self.recipe.optimizer, self.recipe.schedule
        config = {n: value for one in settings for n, value in asdict(one).items()}
        for replaced in replaced_by(self.objects).values():
            config = {n: value for n, value in config.items() if n not in replaced}
        described = self.described_objects()
        passed = {"optimizer", "schedule"} & described.keys()
        return config | {name: described[name] for name in sorted(passed)}

    def given_in_python(self) -> list[str]:
        """Return the names of the arguments that a file cannot hold."""
        return [*self.arguments.objects(), *self.objects]

    def described_objects(self) -> dict[str, Any]:
        """Return what a file can tell of the settings that are objects, by name."""
        return {name: described(one) for name, one in self.objects.items()}
