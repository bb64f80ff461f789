"""What `train` is called with -> one checked configuration of a run."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args

import keras
import numpy as np

from keras_vit import distribution, recipes
from keras_vit.choices import STRATEGIES
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, from_arrays, split_of
from keras_vit.data.augmentation_layers import AugmentationArgument
from keras_vit.data.inputs import ReadOptions
from keras_vit.data.sources import OPTIONS, check_name
from keras_vit.data.splits import Labelled
from keras_vit.factories import find
from keras_vit.recipes import Recipe
from keras_vit.recipes.groups import Decay, OptimizerName
from keras_vit.recipes.recipe import settings_of_labels
from keras_vit.recipes.tasks import (
    TASKS,
    ClassificationSettings,
    Loss,
    TaskName,
    fields_of_tasks,
)
from keras_vit.recipes.typed import WordsAndNumbers
from keras_vit.suggestions import did_you_mean
from keras_vit.training.described import described, kind_of
from keras_vit.training.existing_model import ExistingModel
from keras_vit.training.keras_losses import check_loss
from keras_vit.training.model import IMAGE_SIZE, OF_A_VIT
from keras_vit.training.optimizers import (
    OF_THE_SCHEDULE,
    SGD,
    Adam,
    AnyOptimizer,
    build_optimizer,
    check_optimizer,
    settings_replaced_by,
)
from keras_vit.training.schedules import schedule_of
from keras_vit.training.small_data import fitted_to
from keras_vit.training.tasks import Classification, Task, task_of

if TYPE_CHECKING:
    import tensorflow as tf

LOG = logging.getLogger(__name__)

Path: TypeAlias = str | os.PathLike[str]
Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule
ModelArgument: TypeAlias = keras.Model | Classifier | Path
DatasetArgument: TypeAlias = Dataset | Path | tuple[Any, Any]

# What a recipe sets for a model that it builds, and for no other.
OF_A_BUILT_MODEL = (
    "head_bias",
    "precision",
    "model_arguments",
    "stem_blocks",
    "stem_width_factor",
    *OF_A_VIT,
)


# Settings that may be objects as well as words, and one that no word says.
OBJECTS = ("task", "loss", "optimizer", "schedule", "augmentation")


class TrainSettings(WordsAndNumbers, ReadOptions, total=False):
    """The settings of a recipe, and options of `keras_vit.data.load`.

    Some may be objects as well as words: `task` a `Task`; `loss` one of Keras's, or
    a function of targets and logits; `optimizer` a rule of
    `keras_vit.training.optimizers` or one of Keras's. `schedule` is a function of the
    step or one of Keras's. `augmentation` may be a preprocessing layer of Keras or
    KerasCV, a function of an image, or several in a list. `None` is none of these as
    `augmentation`, and the recipe's own as any other.
    """

    task: TaskName | Task | None
    loss: Loss | keras.losses.Loss | Callable[[Any, Any], Any] | None
    optimizer: OptimizerName | keras.optimizers.Optimizer | SGD | Adam | None
    schedule: Schedule | Callable[[Any], Any] | None
    augmentation: AugmentationArgument | None


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
        names = [n for n in OBJECTS if not _is_word(settings.get(n))]
        objects = {name: settings.pop(name) for name in names}
        _check_objects(objects, settings)
        _check_teacher(objects, arguments.teacher)
        complete = resolved(recipe, arguments, settings)
        _check_fits(objects, complete)
        if "schedule" in objects:
            objects["schedule"] = schedule_of(objects["schedule"])
        own = frozenset((*settings, *itertools.chain(*_replaced_by(objects).values())))
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
        for replaced in _replaced_by(self.objects).values():
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


@dataclass(frozen=True)
class TrainArguments:
    """Model, data and teacher: objects, names, or nothing.

    Attributes:
        model: a factory's name or a path, a Keras model, a `Classifier`.
        dataset: a name or a path, a `Dataset`.
        teacher: a path, a Keras model, a `Classifier`.
    """

    model: str | keras.Model | Classifier | None
    dataset: str | Dataset | None
    teacher: str | keras.Model | Classifier | None

    @classmethod
    def of(
        cls,
        model: ModelArgument | None = None,
        dataset: DatasetArgument | None = None,
        teacher: ModelArgument | None = None,
    ) -> TrainArguments:
        """Check the arguments of `train`, and return them.

        Raises:
            TypeError: for an object of another type.
            ValueError: for arrays that are not images and labels.
        """
        return cls(
            _checked_model(
                model, "model", "a factory's name such as 'ViT_B16', a path"
            ),
            _checked_dataset(dataset),
            _checked_model(teacher, "teacher", "a path"),
        )

    def with_copied_model(self) -> TrainArguments:
        """Return arguments whose model is not the one that `train` changes.

        A Keras model becomes a `Classifier`, of whose model `train` trains a copy.
        """
        if not isinstance(self.model, keras.Model):
            return self
        return dataclasses.replace(self, model=Classifier.of(self.model))

    def objects(self) -> list[str]:
        """Return the names of the arguments that a file cannot hold."""
        fields = (one.name for one in dataclasses.fields(self))
        return [f for f in fields if not isinstance(getattr(self, f), str | None)]


def _is_word(value: Any) -> bool:
    """Return whether a file can hold a setting: a word, several, or nothing."""
    several = isinstance(value, list | tuple)
    return all(isinstance(one, str | None) for one in (value if several else [value]))


def _check_objects(objects: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
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
    for name, others in _replaced_by(objects).items():
        clash = [other for other in others if other in {**settings, **objects}]
        if clash:
            raise ValueError(
                f"{', '.join(clash)} must go with a word as {name}, or with none. "
                f"Received: {name}={kind_of(objects[name])}, which has its own. Leave "
                f"out {', '.join(clash)}"
            )


def _check_teacher(objects: Mapping[str, Any], teacher: Any) -> None:
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


def _replaced_by(objects: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the settings that objects replace, by the objects' names."""
    replaced: dict[str, tuple[str, ...]] = {}
    if "task" in objects:
        replaced["task"] = (*fields_of_tasks(),)
    if "optimizer" in objects:
        replaced["optimizer"] = settings_replaced_by(objects["optimizer"])
    if "schedule" in objects:
        replaced["schedule"] = OF_THE_SCHEDULE
    return replaced


def _check_fits(objects: Mapping[str, Any], recipe: Recipe) -> None:
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


def path_to_str(path: Path) -> str:
    """Return a name or a path as text, `~` expanded."""
    return os.path.expanduser(os.fspath(path))


def _checked_model(
    model: Any, name: str, texts: str
) -> str | keras.Model | Classifier | None:
    if isinstance(model, str | os.PathLike):
        return path_to_str(model)
    if model is None or isinstance(model, keras.Model | Classifier):
        return model
    raise TypeError(
        f"{name} must be {texts}, a Keras model or a keras_vit.Classifier. "
        f"Received: {kind_of(model)}. Pass the path of a run's folder or of a .keras "
        "file, or keras.models.load_model(path)"
    )


def _checked_dataset(dataset: Any) -> str | Dataset | None:
    if dataset is None or isinstance(dataset, Dataset):
        return dataset
    if isinstance(dataset, Labelled):
        raise TypeError(
            "dataset must hold images to train on and others to evaluate on. Received: "
            f"a split ({kind_of(dataset)}). Pass keras_vit.data.Dataset(name, train, "
            "test, class_names), or (images, labels), of which a fifth is held out"
        )
    if isinstance(dataset, tuple | list) and len(dataset) == 2:
        split: Any = split_of((dataset[0], dataset[1])).split
        return from_arrays((np.asarray(split.images), split.labels))
    check_name(dataset)
    return path_to_str(cast(Path, dataset))


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


def strategy_of(strategy: str | tf.distribute.Strategy) -> tf.distribute.Strategy:
    """Return the strategy of a name, or the one that was passed.

    Raises:
        TypeError: for anything else.
        ValueError: for a name that is unknown.
    """
    if isinstance(strategy, str):
        return distribution.strategy(strategy)
    if not hasattr(strategy, "num_replicas_in_sync"):
        raise TypeError(
            f"strategy must be one of {', '.join(STRATEGIES)}, or a "
            f"tf.distribute.Strategy. Received: {kind_of(strategy)}"
        )
    return strategy
