"""What a model's images and outputs mean: its layers keep it in their configs.

| what | which layers keep it |
| --- | --- |
| names of classes, activation | `Head`; `Logits` and `Outputs`, in which models from elsewhere end |
| preprocessing, decoding | `PixelNormalization` |
| rule that resizes positions | `PatchEncoder` |
| arguments that the model was built with | `Features` |

What layers keep is part of a `.keras` file, of `to_json` and of clones, on every
backend, and of a bigger model that the model is a layer of.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_vit.compat import node_of
from keras_vit.decoding import Decoding
from keras_vit.layers import Head, Logits, Outputs, PixelNormalization
from keras_vit.layers.outputs import (
    PROBABILITIES,
    checked_names,
    checked_probabilities,
)
from keras_vit.preprocessing import Preprocessing
from keras_vit.served_model import Activation, ServedModel

# What leaves outputs, or the order of their classes, as they are.
UNCHANGED = ("Identity", "Cast", "Dropout", "Flatten", "Reshape", "Squeeze")
# What is a mean of the same, of which nothing is known but that.
MEANS = ("Average", "GlobalAveragePooling2D")
KEEPS_CLASSES = ("Activation", *UNCHANGED, *MEANS)
UNSAID: Any = object()


@dataclass(frozen=True)
class Meaning:
    """What a model's layers keep.

    Attributes:
        class_names: in the order of the outputs; `None`: unknown.
        activation: what makes probabilities of logits, a key of
            `layers.outputs.PROBABILITIES`.
        preprocessing: how images of other sizes become the model's.
        decoding: how samples of image files become pixels.
    """

    class_names: tuple[str, ...] | None = None
    activation: Activation = "softmax"
    preprocessing: Preprocessing = Preprocessing()
    decoding: Decoding = Decoding()


def meaning_of(model: keras.Model | ServedModel) -> Meaning:
    """Return what the layers of a model keep, however deep inside they are.

    Names and activation are those of the layers that the model's outputs come
    from, with nothing between that would change their classes. A model whose
    layers say nothing has the defaults. A SavedModel has all in its assets.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> set_meaning(model, class_names=("cat", "dog"))
    >>> meaning_of(model).class_names
    ('cat', 'dog')
    """
    default = Meaning()
    if isinstance(model, ServedModel):
        return Meaning(
            class_names=model.class_names,
            activation=model.activation,
            preprocessing=model.preprocessing or default.preprocessing,
            decoding=model.decoding,
        )
    endings, first = _endings(model), next(_first_layers(model), None)
    names = {one.class_names for one in endings} - {None}
    return Meaning(
        class_names=names.pop() if len(names) == 1 else None,
        activation=endings[0].probabilities if endings else default.activation,
        preprocessing=first.evaluation if first else default.preprocessing,
        decoding=first.decoding if first else default.decoding,
    )


def set_meaning(
    model: keras.Model,
    *,
    class_names: Sequence[str] | None = UNSAID,
    activation: Activation = UNSAID,
    preprocessing: Preprocessing = UNSAID,
    decoding: Decoding = UNSAID,
) -> None:
    """Have a model's layers keep another meaning; what is not given stays.

    Args:
        model: a Keras model.
        class_names: in the order of the outputs; `None`: unknown.
        activation: `"softmax"` or `"sigmoid"`.
        preprocessing: how images of other sizes become the model's.
        decoding: how samples of image files become pixels.

    Raises:
        ValueError: before anything is changed, if the model has no layer that
            could keep it, for an unknown activation, or for names that are not
            as many as the outputs.
    """
    endings, first = _endings(model), next(_first_layers(model), None)
    if activation is not UNSAID:
        checked_probabilities(activation)
    has_names = class_names is not UNSAID and class_names is not None
    if has_names:
        class_names = checked_names(class_names, model.output_shape[-1])
    if (has_names or activation not in (UNSAID, "softmax")) and not endings:
        raise ValueError(
            "Expected a model that ends in keras_vit's layer Head, Logits or Outputs, "
            "which keeps its activation and the names of its classes. Received: "
            f"{model.name!r}, which has none: see keras_vit.meaning.with_outputs"
        )
    of_images = preprocessing is not UNSAID or decoding not in (UNSAID, Decoding())
    if of_images and first is None:
        raise ValueError(
            "Expected a model with keras_vit's layer 'preprocessing', which keeps how "
            f"its images are read and resized. Received: {model.name!r}, which has "
            "none: begin it with keras_vit.layers.PixelNormalization"
        )
    for layer in endings:
        if class_names is not UNSAID:
            layer.class_names = class_names
        if activation is not UNSAID:
            layer.probabilities = activation
    if first is not None:
        if preprocessing is not UNSAID:
            first.evaluation = preprocessing
        if decoding is not UNSAID:
            first.decoding = decoding


def keeps_classes(model: keras.Model) -> bool:
    """Return whether a model's layers keep names of classes and activation."""
    return bool(_endings(model))


def with_outputs(model: keras.Model) -> keras.Model:
    """Return a model whose outputs have a layer that keeps what they mean.

    Returns:
        The model itself where it has one. Else a new model on the same layers,
        with the same outputs, that ends in `layers.Outputs`.
    """
    if keeps_classes(model):
        return model
    (output,) = model.outputs
    outputs = Outputs(name=_free_name("outputs", model), dtype=output.dtype)
    new = keras.Model(_inputs(model), outputs(output), name=model.name)
    if model.compiled:
        new.compile_from_config(model.get_compile_config())
    return new


def _free_name(name: str, model: keras.Model) -> str:
    taken = {layer.name for layer in model.layers}
    while name in taken:
        name = f"{name}_"
    return name


def _inputs(model: keras.Model) -> Any:
    """One Keras tensor, not in a list, so that images may come so; or several."""
    return model.inputs[0] if len(model.inputs) == 1 else model.inputs


def _endings(model: keras.Model) -> list[Any]:
    """The layers that keep what a model's outputs mean, the last one first."""
    outputs = getattr(model, "outputs", None)
    return _endings_of(outputs[0]) if outputs and len(outputs) == 1 else []


def _endings_of(tensor: Any) -> list[Any]:
    operation, inputs = node_of(tensor)
    if isinstance(operation, Head):
        return [operation]
    before = []
    kind = type(operation).__name__
    if isinstance(operation, keras.Model):
        return _endings(operation)
    if (
        isinstance(operation, (Logits, Outputs))
        or kind in KEEPS_CLASSES
        or kind.lower() in PROBABILITIES
    ):
        before = [ending for one in inputs for ending in _endings_of(one)]
    return [operation, *before] if isinstance(operation, (Logits, Outputs)) else before


def _first_layers(model: Any) -> Iterator[PixelNormalization]:
    """The layers that keep what a model's images mean."""
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, PixelNormalization):
            yield layer
        else:
            yield from _first_layers(layer)
