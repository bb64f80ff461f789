"""What `train` is given: names, paths and objects, checked."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import keras
import numpy as np

from keras_vit import distribution
from keras_vit.choices import STRATEGIES
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, from_arrays, split_of
from keras_vit.data.augmentation_layers import AugmentationArgument
from keras_vit.data.inputs import ReadOptions
from keras_vit.data.labelled import is_split
from keras_vit.data.sources import check_name
from keras_vit.recipes.optimization import OptimizerName
from keras_vit.recipes.tasks import (
    Loss,
    TaskName,
)
from keras_vit.recipes.typed import WordsAndNumbers
from keras_vit.training.described import kind_of
from keras_vit.training.optimizers import (
    SGD,
    Adam,
)
from keras_vit.training.tasks import Task

if TYPE_CHECKING:
    import tensorflow as tf


Path: TypeAlias = str | os.PathLike[str]
Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule
ModelArgument: TypeAlias = keras.Model | Classifier | Path
DatasetArgument: TypeAlias = Dataset | Path | tuple[Any, Any]


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
    if is_split(dataset):
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
