"""The model that a recipe names: built, or loaded and made to fit a data set."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import keras

from keras_vit import layers
from keras_vit.classifier import Classifier
from keras_vit.factories import FACTORIES, arguments_of, find
from keras_vit.foreign_arguments import RENAMED
from keras_vit.layers.dtype_scope import dtype_policy
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.served_model import ServedModel
from keras_vit.weights import replace_head, resize

if TYPE_CHECKING:
    from keras_vit.recipes import ModelSettings

LOG = logging.getLogger(__name__)

IMAGE_SIZE = 224  # of a model that is built, unless it is set

STEMS = {"resnet": layers.ResNetStem, "basic_resnet": layers.BasicResNetStem}

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
    with dtype_policy(settings.precision):
        if settings.stem_blocks is not None:
            arguments["stem"] = STEMS[settings.stem](
                settings.stem_blocks, settings.stem_width_factor, name="stem"
            )
        _check_takes(source, factory, arguments)
        size = settings.image_size or IMAGE_SIZE
        model = factory(num_classes=num_classes, image_size=size, **arguments)
    if settings.head_bias:
        _set_head_bias(model, settings.head_bias)
    return model


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
