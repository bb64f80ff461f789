"""The model of a run and its teacher, under the scope of its strategy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_vit.classifier import Classifier
from keras_vit.evaluation.forward import copied, in_scope
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.logits import logits_model
from keras_vit.meaning import meaning_of, set_meaning, with_outputs
from keras_vit.preprocessing import resolve
from keras_vit.served_model import ServedModel
from keras_vit.training.recipe_model import (
    build_model,
    trainable,
    with_head,
    with_image_size,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_vit.decoding import Decoding
    from keras_vit.recipes import Recipe
    from keras_vit.training.tasks import Task
    from keras_vit.training.tasks.task import Activation


def model_in_scope(
    model: str | keras.Model | Classifier | None,
    recipe: Recipe,
    *,
    task: Task,
    class_names: Sequence[str],
    decoding: Decoding,
    strategy: tf.distribute.Strategy,
) -> keras.Model:
    """Return the model to be trained, with a copy of its weights on every replica.

    Its layers keep the classes and the preprocessing of the data set from then on,
    instead of those they kept before.

    Args:
        model: a Keras model, which is trained itself; a `Classifier`, of whose
            model a copy is; else the recipe's is built or loaded.
        recipe: of the run.
        task: that it learns.
        class_names: of the data set that it is trained on.
        decoding: of the data set's image files.
        strategy: in whose scope this is called.

    Raises:
        ValueError: for a model that does not fit the data set, or cannot be
            trained.
    """
    labels = task.learns_labels
    classes = len(class_names) if labels else None
    if isinstance(model, keras.Model):
        if labels:
            _check_logits(model)
        check_not_quantized(model, "train", "train the float model, then quantize it.")
        trained = in_scope(model, strategy)
    elif isinstance(model, Classifier):
        trained = _copied_for(model, classes, class_names, recipe.model.image_size)
    else:
        trained = build_model(recipe.model, classes, class_names)
    _check_shapes(trained, classes)
    # Of several replicas, a model that was passed gets the weights at the end.
    for one in (trained, model) if isinstance(model, keras.Model) else (trained,):
        keep_meaning(
            one,
            preprocessing=recipe.data.evaluation_preprocessing,
            class_names=class_names if labels else None,
            activation=task.activation,
        )
        set_meaning(one, decoding=decoding)
    return trained


def keep_meaning(
    model: keras.Model,
    *,
    preprocessing: str | None = None,
    class_names: Sequence[str] | None = None,
    activation: Activation | None = None,
) -> None:
    """Set the classes that a model is trained on, and how it is evaluated.

    They replace what the model kept: a fine-tuned model must not have the names
    of its old classes. A model of another origin, without a layer for them, gets
    one when it is saved (see `keras_vit.model_files.save_model`).

    Args:
        model: to be trained.
        preprocessing: how it is evaluated; `None`: as the model has it.
        class_names: of the data set; `None`: unknown, or trained without labels.
        activation: of the task's loss; `None`: trained without labels.

    Raises:
        ValueError: if it is said how the model is evaluated, and the model has no
            layer for it.
    """
    if preprocessing is not None:
        set_meaning(model, preprocessing=resolve(preprocessing))
    if activation is not None and with_outputs(model) is model:
        set_meaning(model, class_names=class_names, activation=activation)


def _copied_for(
    classifier: Classifier,
    num_classes: int | None,
    class_names: Sequence[str],
    image_size: int | None,
) -> keras.Model:
    """Return a copy of a classifier's model that fits a data set."""
    model = copied(trainable(classifier, repr(classifier.name)))
    own = dataclasses.replace(classifier, model=model)
    new = with_image_size(with_head(own, num_classes, class_names), image_size)
    if classifier.preprocessing != meaning_of(new).preprocessing:
        set_meaning(new, preprocessing=classifier.preprocessing)
    return new


def _check_shapes(model: keras.Model, num_classes: int | None) -> None:
    """Refuse a model of other classes, or of no images of one size.

    Args:
        model: to be trained.
        num_classes: of the data set; `None`: trained without labels.
    """
    inputs: Any = model.input_shape
    outputs: Any = model.output_shape
    if num_classes is not None and outputs != (None, num_classes):
        raise ValueError(
            f"The data set has {num_classes} classes, so the model must return logits "
            f"of shape (None, {num_classes}). Received: a model that returns "
            f"{outputs}. Pass keras_vit.replace_head(model, num_classes)"
        )
    if len(inputs) != 4 or None in inputs[1:3] or inputs[3] != 3:
        raise ValueError(
            "The model must take images (None, height, width, 3) of a known size. "
            f"Received: a model that takes {inputs}"
        )


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
    class_names: Sequence[str],
) -> Classifier | None:
    """Return the teacher, loaded if it is a path; `None` without one.

    Raises:
        ValueError: if its classes are known to be others than the data set's.
    """
    if teacher is None or teacher == "":
        return None
    classifier = Classifier.of(teacher)
    if classifier.class_names not in (None, tuple(class_names)):
        raise ValueError(
            "The teacher must know the classes of the data set, in their order: "
            f"{_some(class_names)}. Received: {_some(classifier.class_names or ())}"
        )
    if isinstance(teacher, str) or isinstance(classifier.model, ServedModel):
        return classifier  # which has been loaded in the scope
    return dataclasses.replace(classifier, model=in_scope(classifier.model, strategy))


def _some(names: Sequence[str], most: int = 20) -> str:
    left = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + left
