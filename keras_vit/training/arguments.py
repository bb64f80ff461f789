"""What `train` is called with -> a recipe, and the objects that a recipe names."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import keras
import numpy as np

from keras_vit import distribution, recipes
from keras_vit.choices import STRATEGIES
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, from_arrays, split_of
from keras_vit.data.inputs import ReadOptions
from keras_vit.data.sources import OPTIONS, check_name
from keras_vit.data.splits import Labelled
from keras_vit.evaluation.forward import copied, in_scope
from keras_vit.factories import find
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.logits import logits_model
from keras_vit.meaning import meaning_of, set_meaning
from keras_vit.recipes import Recipe, RecipeSettings
from keras_vit.served_model import ServedModel
from keras_vit.suggestions import did_you_mean
from keras_vit.training import building

if TYPE_CHECKING:
    import tensorflow as tf

Path: TypeAlias = str | os.PathLike[str]
ModelArgument: TypeAlias = keras.Model | Classifier | Path
DatasetArgument: TypeAlias = Dataset | Path | tuple[Any, Any]

# What a recipe sets for a model that it builds, and for no other.
OF_A_BUILT_MODEL = (
    *("image_size", "head_bias", "precision"),
    *("model_arguments", "stem_blocks", "stem_width_factor"),
    *building.OF_A_VIT,
)


class TrainSettings(RecipeSettings, ReadOptions):
    """The settings of a recipe, and options of `keras_vit.data.load`."""


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
        f"Received: {_kind(model)}. Pass the path of a run's folder or of a .keras "
        "file, or keras.models.load_model(path)"
    )


def _checked_dataset(dataset: Any) -> str | Dataset | None:
    if dataset is None or isinstance(dataset, Dataset):
        return dataset
    if isinstance(dataset, Labelled):
        raise TypeError(
            "dataset must hold images to train on and others to evaluate on. Received: "
            f"a split ({_kind(dataset)}). Pass keras_vit.data.Dataset(name, train, "
            "test, class_names), or (images, labels), of which a fifth is held out"
        )
    if isinstance(dataset, tuple | list) and len(dataset) == 2:
        split: Any = split_of((dataset[0], dataset[1])).split
        return from_arrays((np.asarray(split.images), split.labels))
    check_name(dataset)
    return path_to_str(cast(Path, dataset))


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


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
            f"keras_vit.recipes.Recipe. Received: {_kind(recipe)}"
        )
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
            f"Received: model={model if isinstance(model, str) else _kind(model)}, "
            f"which has its own. Leave out {', '.join(clash)}, or model"
        )
    if built and isinstance(model, str):
        recipe = recipes.with_model(recipe, model)
    elif model is not None:
        recipe = recipes.with_model(recipe, model if isinstance(model, str) else None)
        recipe = dataclasses.replace(recipe, head_bias=0.0, precision="float32")
    changes = _of_data(recipe, arguments.dataset, options) | settings
    if isinstance(arguments.teacher, str):
        changes = changes | {"teacher": arguments.teacher}
    return recipes.changed(recipe, changes)


def _check_known(settings: Mapping[str, Any]) -> None:
    known = {one.name for one in dataclasses.fields(Recipe)}
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
    if dataset is None or dataset == recipe.dataset:
        return {"dataset_options": recipe.dataset_options | options}
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
            f"tf.distribute.Strategy. Received: {_kind(strategy)}"
        )
    return strategy


def model_in_scope(
    model: str | keras.Model | Classifier | None,
    recipe: Recipe,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
) -> keras.Model:
    """Return the model to be trained, with a copy of its weights on every replica.

    Its layers keep the classes and the preprocessing of the data set from then on,
    instead of those they kept before.

    Args:
        model: a Keras model, which is trained itself; a `Classifier`, of whose
            model a copy is; else the recipe's is built or loaded.
        recipe: of the run.
        dataset: that it is trained on.
        strategy: in whose scope this is called.

    Raises:
        ValueError: for a model that does not fit the data set, or cannot be
            trained.
    """
    labels = recipe.masked_patches == "none"
    classes = dataset.num_classes if labels else None
    if isinstance(model, keras.Model):
        if labels:
            _check_logits(model)
        check_not_quantized(model, "train", "train the float model, then quantize it.")
        trained = in_scope(model, strategy)
    elif isinstance(model, Classifier):
        keras_model = building.trainable(model, repr(model.name))
        own = dataclasses.replace(model, model=copied(keras_model))
        trained = building.with_head(own, classes, dataset.class_names)
        if model.preprocessing != meaning_of(trained).preprocessing:
            set_meaning(trained, preprocessing=model.preprocessing)
    else:
        trained = building.build_model(recipe, classes, dataset.class_names)
    inputs: Any = trained.input_shape
    outputs: Any = trained.output_shape
    if labels and outputs != (None, dataset.num_classes):
        raise ValueError(
            f"The data set {dataset.name!r} has {dataset.num_classes} classes, so the "
            f"model must return logits of shape (None, {dataset.num_classes}). "
            f"Received: a model that returns {outputs}. "
            "Pass keras_vit.replace_head(model, num_classes)"
        )
    if len(inputs) != 4 or None in inputs[1:3] or inputs[3] != 3:
        raise ValueError(
            "The model must take images (None, height, width, 3) of a known size. "
            f"Received: a model that takes {inputs}"
        )
    # Of several replicas, a model that was passed gets the weights at the end.
    for one in (trained, model) if isinstance(model, keras.Model) else (trained,):
        building.keep_meaning(one, recipe, dataset.class_names if labels else None)
        set_meaning(one, decoding=dataset.decoding)
    return trained


def _check_logits(model: keras.Model) -> None:
    """Refuse a model whose outputs a loss of logits would misread."""
    if logits_model(model) is not model:
        raise ValueError(
            f"The model must return logits, one for each class. Received: "
            f"{model.name!r}, which ends in a softmax or sigmoid, or has one output. "
            "Pass keras_vit.logits_model(model), which returns logits"
        )


def teacher_in_scope(
    teacher: str | keras.Model | Classifier | None,
    strategy: tf.distribute.Strategy,
    dataset: Dataset,
) -> Classifier | None:
    """Return the teacher, loaded if it is a path; `None` without one.

    Raises:
        ValueError: if its classes are known to be others than the data set's.
    """
    if teacher is None or teacher == "":
        return None
    classifier, names = Classifier.of(teacher), dataset.class_names
    if classifier.class_names not in (None, tuple(names)):
        raise ValueError(
            f"The teacher must know the classes of {dataset.name!r}, in their order: "
            f"{_some(names)}. Received: {_some(classifier.class_names or ())}"
        )
    if isinstance(teacher, str) or isinstance(classifier.model, ServedModel):
        return classifier  # which has been loaded in the scope
    return dataclasses.replace(classifier, model=in_scope(classifier.model, strategy))


def _some(names: Sequence[str], most: int = 20) -> str:
    left = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + left
