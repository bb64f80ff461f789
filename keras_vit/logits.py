"""Any classifier as a model of logits, whatever activation it ends in.

All that turns outputs into answers or probabilities takes its model from here,
and so need not ask what its outputs are.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_vit.compat import node_of
from keras_vit.layers import Features, Head, Logits, Outputs
from keras_vit.layers.outputs import PROBABILITIES
from keras_vit.meaning import MEANS, UNCHANGED, meaning_of

# Layers whose activation is the last thing that they do.
ACTIVATED = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Conv2D)
UNUSUAL = ("hard_sigmoid", "sparsemax", "sparse_sigmoid")  # that are probabilities
PROBED = 4  # images of noise that an unknown model is asked about


@dataclass(frozen=True)
class Ending:
    """How a model ends.

    Attributes:
        activation: `"linear"`, `"softmax"`, `"sigmoid"`; `None`: unknown.
        before: the Keras tensor that the activation is of; `None` where there
            is none, or no layer with that output.
    """

    activation: str | None
    before: Any = None


def logits_model(model: Any) -> Any:
    """Build a model that returns one float32 logit for each of two classes or more.

    Of a model that ends in softmax, logits are the logarithms of the
    probabilities; of one that ends in sigmoid, what that is of (see
    `keras_vit.layers.Logits`). A model of one output, a logit or a
    probability by sigmoid, is binary: it returns two logits, that its class
    does not apply and that it does.

    Args:
        model: a Keras model from images to `(B, K)`, or a `ServedModel`.

    Returns:
        The model itself where it returns such logits already. Else a new
        `keras.Model` on the same layers; of a last layer with an activation
        it holds a copy.

    Raises:
        ValueError: for a softmax of one output, which is always 1.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)), keras.layers.Flatten(),
    ...     keras.layers.Dense(1, activation="sigmoid")])
    >>> logits_model(model).output_shape
    (None, 2)
    """
    outputs = getattr(model, "outputs", None)
    if not outputs or len(outputs) != 1 or len(outputs[0].shape) != 2:
        return model
    (output,) = outputs
    if isinstance(node_of(output)[0], Logits):
        return model
    ending = _ending(output)
    activation = ending.activation or _probed(model)
    if activation == "linear" and output.shape[-1] != 1:
        return model
    meaning = meaning_of(model)
    probabilities = meaning.activation if activation == "linear" else activation
    if ending.before is not None:
        activation = "before_softmax" if activation == "softmax" else "linear"
        output = ending.before
    logits = Logits(
        activation,
        probabilities,
        class_names=meaning.class_names,
        name="logits_of_outputs",
    )
    return keras.Model(_inputs(model), logits(output), name=model.name)


def divided(model: keras.Model, temperature: float) -> keras.Model:
    """Build a model, as `logits_model` returns it, of logits over a temperature.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> divided(model, 2.0).layers[-1].temperature
    2.0
    """
    meaning = meaning_of(model)
    logits = Logits(
        probabilities=meaning.activation,
        temperature=temperature,
        class_names=meaning.class_names,
        name="divided",
    )
    return keras.Model(_inputs(model), logits(model.outputs[0]), name=model.name)


def ends_in_softmax(model: Any) -> bool:
    """Return whether a model, as `logits_model` returns it, ended in a softmax."""
    layers = [one for one in getattr(model, "layers", ()) if isinstance(one, Logits)]
    return any(one.of_softmax for one in layers)


def _inputs(model: Any) -> Any:
    """One Keras tensor, not in a list, so that images may come so; or several."""
    return model.inputs[0] if len(model.inputs) == 1 else model.inputs


def _ending(tensor: Any) -> Ending:
    """The `Ending` of what computes a Keras tensor."""
    operation, inputs = node_of(tensor)
    kind = type(operation).__name__
    if isinstance(operation, keras.Model):
        return _ending_of_model(operation, inputs)
    if kind in MEANS:
        found = {_ending(one).activation for one in inputs}
        return Ending(found.pop() if len(found) == 1 else None)
    if kind in UNCHANGED or isinstance(operation, Outputs):
        return _in_shape(_ending(inputs[0]), tensor)
    if kind.lower() in PROBABILITIES:  # a layer or one of `keras.ops`
        return _over_classes(kind.lower(), operation, inputs[0])
    activation = _name(getattr(operation, "activation", None))
    if kind == "Activation" and activation == "linear":
        return _ending(inputs[0])
    if kind == "Activation" and activation in PROBABILITIES:
        return Ending(activation, inputs[0])
    if isinstance(operation, ACTIVATED) and activation in PROBABILITIES:
        return Ending(activation, _without_activation(operation, inputs[0]))
    says = isinstance(operation, (*ACTIVATED, keras.layers.Activation))
    known = hasattr(keras.activations, activation) and activation not in UNUSUAL
    are_features = isinstance(operation, Features) or operation.name == "features"
    return Ending("linear" if are_features or says and known else None)


def _ending_of_model(model: keras.Model, inputs: Any) -> Ending:
    """The `Ending` of a model inside a model."""
    outputs = getattr(model, "outputs", None)
    if not outputs or len(outputs) != 1:
        return Ending(None)
    found = _ending(outputs[0])
    if found.before is None:
        return found
    inner = keras.Model(_inputs(model), found.before)
    return Ending(found.activation, inner(inputs if len(inputs) > 1 else inputs[0]))


def _in_shape(ending: Ending, tensor: Any) -> Ending:
    if ending.before is None or ending.before.shape == tensor.shape:
        return ending
    reshape = keras.layers.Reshape(tensor.shape[1:])
    return Ending(ending.activation, reshape(ending.before))


def _over_classes(kind: str, operation: Any, before: Any) -> Ending:
    """A softmax over another axis than the classes' is none of theirs."""
    axis = getattr(operation, "axis", -1)
    last = axis in (-1, len(before.shape) - 1)
    return Ending(kind, before) if last else Ending(None)


def _without_activation(layer: Any, tensor: Any) -> Any:
    """What a layer returns before its activation; `None` if a copy cannot tell."""
    plain = (Head, *ACTIVATED)
    if type(layer) not in plain or getattr(layer, "quantization_mode", None):
        return None
    copy = type(layer).from_config(layer.get_config() | {"activation": "linear"})
    copy.build(tensor.shape)
    if len(copy.weights) != len(layer.weights):  # of low rank, say
        return None
    copy.set_weights(layer.get_weights())
    return copy(tensor)


def _name(activation: Any) -> str:
    """What an activation is called, of Keras, TensorFlow or JAX, function or layer."""
    if activation is None:
        return "linear"
    name = getattr(activation, "__name__", type(activation).__name__)
    return name.lower().removesuffix("_v2")


def _probed(model: Any) -> str:
    """The activation of a model whose end is unknown, by what it says of noise."""
    shape = model.input_shape
    if not isinstance(shape, tuple) or None in shape[1:]:
        return "linear"
    noise = np.random.default_rng(0).integers(0, 256, (PROBED, *shape[1:]))
    outputs = np.asarray(
        keras.ops.convert_to_numpy(model(noise.astype(np.float32), training=False)),
        np.float64,
    )
    if not (outputs >= 0).all():
        return "linear"
    if outputs.shape[-1] > 1 and all(
        math.isclose(total, 1, abs_tol=1e-3) for total in outputs.sum(-1)
    ):
        return "softmax"
    if (outputs <= 1).all() and outputs.any():
        warnings.warn(
            f"{model.name!r} returns numbers from 0 to 1 that do not sum to 1, by a "
            "layer that does not say what they are, and are taken for logits. If they "
            "are probabilities, end the model in keras.layers.Activation('sigmoid'), "
            "in place of that layer",
            stacklevel=3,
        )
    return "linear"
