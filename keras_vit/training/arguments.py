"""What `train` is given -> a recipe, and the objects that a recipe names."""

import dataclasses
import os
from dataclasses import dataclass

import keras

from keras_vit import recipes
from keras_vit.data import Dataset
from keras_vit.data.sources import OPTIONS, check_name
from keras_vit.decoding import carry_decoding
from keras_vit.evaluation.forward import in_scope
from keras_vit.factories import find
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.logits import logits_model
from keras_vit.model_files import load_classifier
from keras_vit.training import building

# What a recipe settles for a model that it builds, and no other.
OF_A_BUILT_MODEL = (
    *("image_size", "head_bias", "precision"),
    *("model_arguments", "stem_blocks", "stem_width_factor"),
    *building.OF_A_VIT,
)


@dataclass(frozen=True)
class Given:
    """Model, data and teacher as they were given: objects, names, or nothing."""

    model: object
    dataset: object
    teacher: object

    def objects(self):
        """What a file cannot name."""
        fields = (one.name for one in dataclasses.fields(self))
        return [f for f in fields if not isinstance(getattr(self, f), str | None)]


def as_text(one):
    """A path as text; anything else as it is."""
    return os.fspath(one) if isinstance(one, os.PathLike) else one


def resolved(recipe, given, settings):
    """The recipe with all that was given in its place.

    Args:
        recipe: a `Recipe` or the name of one.
        given: a `Given`.
        settings: of the recipe, or options of `keras_vit.data.load`, by name.

    Raises:
        ValueError, TypeError: for what is unknown, or clashes.
    """
    if isinstance(recipe, str):
        recipe = recipes.get(recipe)
    if not isinstance(given.model, str | keras.Model | None):
        raise TypeError(
            "model must be a Keras model, a factory's name or a path. "
            f"Received: {given.model!r}"
        )
    if not isinstance(given.dataset, Dataset | None):
        check_name(given.dataset)
    options = {n: settings[n] for n in OPTIONS if settings.get(n) is not None}
    settings = {n: value for n, value in settings.items() if n not in OPTIONS}
    known = {one.name for one in dataclasses.fields(recipes.Recipe)}
    unknown = sorted(settings.keys() - known)
    if unknown:
        raise TypeError(
            f"train has no argument and a recipe no setting {', '.join(unknown)}. "
            f"Expected some of {', '.join(sorted(known))}"
        )
    built = isinstance(given.model, str) and find(given.model) is not None
    settled = {"stem_width_factor"} if built else {*OF_A_BUILT_MODEL}
    clash = sorted(settings.keys() & settled) if given.model is not None else []
    if clash:
        raise ValueError(
            f"{', '.join(clash)} clashes with the model that is given, which has it."
        )
    if built:
        recipe = recipes.with_model(recipe, given.model)
    elif given.model is not None:
        named = given.model if isinstance(given.model, str) else None
        recipe = recipes.with_model(recipe, named)
        recipe = dataclasses.replace(recipe, head_bias=0.0, precision="float32")
    settings = _of_data(recipe, given.dataset, options) | settings
    if isinstance(given.teacher, str):
        settings = settings | {"teacher": given.teacher}
    return recipes.changed(recipe, settings)


def _of_data(recipe, dataset, options):
    """The settings of the data set: its name, and the options that go with it."""
    if isinstance(dataset, Dataset):
        if options:
            raise ValueError(
                f"{', '.join(options)} must go with a data set that is named, for "
                "which it is read. Received: a Dataset, which is there already"
            )
        return {"dataset": dataset.name, "dataset_options": {}}
    if dataset is None or dataset == recipe.dataset:
        return {"dataset_options": recipe.dataset_options | options}
    return {"dataset": dataset, "dataset_options": options}


def model_in_scope(model, recipe, dataset, strategy):
    """The model to be trained, with a copy of its weights on every replica."""
    labels = recipe.masked_patches == "none"
    if isinstance(model, keras.Model):
        if labels:
            _check_logits(model)
        check_not_quantized(model, "train", "train the float model, then quantize it.")
        building.note(model, recipe)
        carry_decoding(model, dataset.decoding)
        model = in_scope(model, strategy)
    else:
        classes = dataset.num_classes if labels else None
        model = building.build_model(recipe, classes, dataset.class_names)
        carry_decoding(model, dataset.decoding)
    given, told = model.input_shape, model.output_shape
    if labels and told != (None, dataset.num_classes):
        raise ValueError(
            f"The data set {dataset.name!r} has {dataset.num_classes} classes, so the "
            f"model must give logits of shape (None, {dataset.num_classes}). "
            f"Received: a model that gives {told}"
        )
    if len(given) != 4 or None in given[1:3] or given[3] != 3:
        raise ValueError(
            "The model must take images (None, height, width, 3) of a known size. "
            f"Received: a model that takes {given}"
        )
    return model


def _check_logits(model):
    """Refuses a model of which a loss of logits would make something else."""
    if logits_model(model) is not model:
        raise ValueError(
            f"The model must return logits, one for each class. Received: "
            f"{model.name!r}, which ends in a softmax or sigmoid, or has one output. "
            "Pass keras_vit.logits_model(model), which returns logits"
        )


def teacher_in_scope(teacher, strategy, dataset):
    """The teacher, loaded if it is a path; `None` without one.

    Raises:
        ValueError: if its classes are known to be others than the data set's.
    """
    if not teacher:
        return None
    if not isinstance(teacher, str):
        return in_scope(logits_model(teacher), strategy)
    loaded, names = load_classifier(teacher), dataset.class_names
    if loaded.class_names not in (None, tuple(names)):
        raise ValueError(
            f"The teacher must know the classes of {dataset.name!r}, in their order: "
            f"{', '.join(names)}. Received: {', '.join(loaded.class_names)}"
        )
    return loaded.model
