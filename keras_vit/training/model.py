"""The model of a run, and its teacher: built, loaded or passed."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import keras

from keras_vit import layers
from keras_vit.classifier import Classifier
from keras_vit.evaluation.forward import copied, in_scope
from keras_vit.factories import FACTORIES, arguments_of, find
from keras_vit.foreign_arguments import RENAMED
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.logits import logits_model
from keras_vit.meaning import meaning_of, set_meaning, with_outputs
from keras_vit.preprocessing import resolve
from keras_vit.served_model import ServedModel
from keras_vit.weights import replace_head, resize

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_vit.decoding import Decoding
    from keras_vit.recipes import ModelSettings, Recipe
    from keras_vit.training.tasks import Task
    from keras_vit.training.tasks.task import Activation


LOG = logging.getLogger(__name__)

IMAGE_SIZE = 224  # of a model that is built, unless it is set

# Arguments of a ViT's factory that are settings of a recipe by themselves.
OF_A_VIT = (
    "weights",
    "patch_size",
    "position_embedding",
    "position_embedding_at",
    "patch_dropout_rate",
)


def build_model(
    settings: ModelSettings,
    num_classes: int | None,
    class_names: Sequence[str] | None = None,
) -> keras.Model:
    """Build the model that a recipe trains, or load it.

    Args:
        settings: `recipe.model`, whose `name` is a factory's or the path of a saved
            model, whose head is replaced if it has other classes, and which is
            resized if it has another image size.
        num_classes: of the data set; `None`: no head.
        class_names: of the data set, if they are known.

    Returns:
        A Keras model.

    Raises:
        ValueError: for a model that does not exist, or cannot be trained.
    """
    source = settings.name or ""
    factory = find(source)
    if factory is None:
        loaded = with_head(_load_model(source), num_classes, class_names)
        return with_image_size(loaded, settings.image_size)
    arguments = dict(settings.arguments)
    for name in OF_A_VIT:
        if getattr(settings, name):
            arguments[name] = getattr(settings, name)
    with _precision(settings.precision):
        if settings.stem_blocks is not None:
            arguments["stem"] = layers.ResNetStem(
                settings.stem_blocks, settings.stem_width_factor, name="stem"
            )
        _check_takes(source, factory, arguments)
        size = settings.image_size or IMAGE_SIZE
        model = factory(num_classes=num_classes, image_size=size, **arguments)
    if settings.head_bias:
        _set_head_bias(model, settings.head_bias)
    return model


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


def _check_takes(
    name: str, factory: Callable[..., keras.Model], arguments: Mapping[str, Any]
) -> None:
    """Refuse settings of a ViT where another model is to be built."""
    clash = sorted(arguments.keys() - {*arguments_of(factory), *RENAMED})
    if clash:
        raise ValueError(
            f"A recipe that sets {', '.join(clash)} needs a model with that argument, "
            f"such as ViT_B16. Received: model={name}. Name another model, or a recipe "
            "without it"
        )


def _load_model(path: str) -> Classifier:
    if not path or not pathlib.Path(path).exists():
        raise ValueError(
            "model must be a factory's name or an existing path. Expected one of "
            f"{', '.join(FACTORIES)}, or one of Keras's such as "
            f"keras:EfficientNetV2B0. Received: {path!r}"
        )
    classifier = Classifier.of(path)
    trainable(classifier, repr(path))
    return classifier


def trainable(classifier: Classifier, source: str) -> keras.Model:
    """Return the model of a classifier, if its weights can be trained.

    Args:
        classifier: of a model that is to be trained.
        source: its origin, for the message.

    Raises:
        ValueError: for a SavedModel or a quantized model.
    """
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "The model must be a Keras model, whose weights can be trained. Received: "
            f"{source}, a SavedModel. Pass a run's folder or a .keras file"
        )
    check_not_quantized(
        classifier.model, "train", "train the float model, then quantize it."
    )
    return classifier.model


def with_head(
    classifier: Classifier, num_classes: int | None, class_names: Sequence[str] | None
) -> keras.Model:
    """Return the model, with a new head where the classes differ.

    As with weights that are loaded by name. A model that this package did not
    build is returned unchanged.
    """
    model, known = cast(keras.Model, classifier.model), classifier.class_names
    outputs: Any = model.output_shape
    names, count = {layer.name for layer in model.layers}, outputs[-1]
    if any(isinstance(layer, layers.Logits) for layer in model.layers):
        LOG.info(
            "The model's outputs are trained and saved as logits, one for each class."
        )
    has_head = "head" in names
    same = count == num_classes and (
        known is None or class_names is None or known == tuple(class_names)
    )
    if "features" not in names or (same if has_head else num_classes is None):
        return model
    if num_classes is not None:
        had = f"Replacing the model's head of {count} classes by a new one"
        LOG.info(
            f"{had if has_head else 'Adding a head to the model, which has none,'} for "
            f"the {num_classes} classes of the data set."
        )
    return replace_head(model, num_classes)


def with_image_size(model: keras.Model, image_size: int | None) -> keras.Model:
    """Return the model, resized if its images have another size.

    Args:
        model: a Keras model.
        image_size: the side of an image, in pixels; `None`: the model's own.

    Raises:
        ValueError: for a model that serves images of one size alone, or a size
            below a patch.
    """
    shape: Any = model.input_shape
    if image_size is None or shape[1:3] == (image_size, image_size):
        return model
    LOG.info(
        f"Resizing the model from {shape[1]} x {shape[2]} to {image_size} x "
        f"{image_size} pixels."
    )
    return resize(model, image_size)


def _set_head_bias(model: keras.Model, value: float) -> None:
    for layer in model.layers:
        if layer.name in ("head", "head_distillation"):
            if layer.bias is None:
                raise ValueError(
                    "The setting head_bias is the first bias of a head, and the "
                    f"model's has none. Expected 0. Received: head_bias={value}"
                )
            layer.bias.assign(keras.ops.full(layer.bias.shape, value))


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
        keras_model = trainable(model, repr(model.name))
        own = dataclasses.replace(model, model=copied(keras_model))
        trained = with_head(own, classes, class_names)
        trained = with_image_size(trained, recipe.model.image_size)
        if model.preprocessing != meaning_of(trained).preprocessing:
            set_meaning(trained, preprocessing=model.preprocessing)
    else:
        trained = build_model(recipe.model, classes, class_names)
    inputs: Any = trained.input_shape
    outputs: Any = trained.output_shape
    if labels and outputs != (None, classes):
        raise ValueError(
            f"The data set has {classes} classes, so the model must return logits of "
            f"shape (None, {classes}). Received: a model that returns {outputs}. "
            "Pass keras_vit.replace_head(model, num_classes)"
        )
    if len(inputs) != 4 or None in inputs[1:3] or inputs[3] != 3:
        raise ValueError(
            "The model must take images (None, height, width, 3) of a known size. "
            f"Received: a model that takes {inputs}"
        )
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


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build layers that compute in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
