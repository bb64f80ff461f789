"""A model as TensorFlow's graph of pixels to outputs, which formats are made of."""

import copy
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from keras_vit import compat
from keras_vit.classifier import Classifier
from keras_vit.export_formats import Format
from keras_vit.layers.graph_format import GraphFormat, traced_for
from keras_vit.layers.head import PROBABILITIES

if TYPE_CHECKING:
    import tensorflow as tf

OUTPUTS = ("logits", "probabilities")


def precision_of(classifier: Classifier) -> str | None:
    """Return the dtype policies of a model that are not float32, by name.

    Returns:
        `None` if the model computes in float32 throughout.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.Flatten(),
    ...      keras.layers.Dense(2, dtype="mixed_bfloat16")])
    >>> precision_of(Classifier.of(model))
    'mixed_bfloat16'
    """
    model: Any = classifier.model
    config = model.get_config()
    if _in_float32(copy.deepcopy(config)) == config:
        return None
    found = {one.dtype_policy.name for one in model.layers} - {"float32"}
    return ", ".join(sorted(found)) or "mixed precision"  # of layers within layers


def exportable(classifier: Classifier, format: Format) -> Classifier:
    """Return a classifier whose model a format can hold.

    Under a mixed policy, converters write what their runtimes cannot run: the
    model becomes a copy that computes in float32, with the same weights.

    Raises:
        RuntimeError: if Keras does not run on TensorFlow.
        ValueError: for a model of other shapes, or of too many weights.
    """
    check_backend()
    model: Any = classifier.model
    inputs, outputs = model.input_shape, model.output_shape
    if len(inputs) != 4 or None in inputs[1:] or inputs[3] != 3 or len(outputs) != 2:
        raise ValueError(
            "Expected a model from images (None, height, width, 3) of a known size to "
            f"logits (None, classes). Received: {model.name!r}, from {inputs} to "
            f"{outputs}"
        )
    size = 4 * model.count_params()
    if format.max_bytes is not None and size > format.max_bytes:
        raise ValueError(
            f"This format holds weights of at most {format.max_bytes / 1e9:.0f} GB. "
            f"Received: {size / 1e9:.1f} GB. Export a SavedModel, ONNX or OpenVINO"
        )
    if format.precisions == "any" or precision_of(classifier) is None:
        return classifier
    copied = type(model).from_config(_in_float32(copy.deepcopy(model.get_config())))
    copied.set_weights(model.get_weights())
    return dataclasses.replace(classifier, model=copied)


def check_backend() -> None:
    """Refuse every backend of Keras but TensorFlow, by a RuntimeError."""
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "Models are exported by Keras's TensorFlow backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )


def _in_float32(config: Any) -> Any:
    """Return a config, changed in place, in which each dtype policy is float32."""
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(one) for one in config)
    if not isinstance(config, dict):
        return config
    for key, value in config.items():
        if isinstance(value, dict) and value.get("class_name") == "DTypePolicy":
            value["config"]["name"] = "float32"
        else:
            config[key] = _in_float32(value)
    return config


def outputs_of(
    classifier: Classifier,
) -> "Callable[[tf.Tensor], dict[str, tf.Tensor]]":
    """Return the function of float32 images `(B, H, W, 3)` to a dict of `OUTPUTS`.

    Logits and probabilities are `(B, K)`, the latter by softmax or sigmoid as
    the classifier has it.
    """
    model: Any = classifier.model
    probabilities = PROBABILITIES[classifier.activation]

    def outputs(images: "tf.Tensor") -> "dict[str, tf.Tensor]":
        logits = model(images, training=False)
        return {"logits": logits, "probabilities": probabilities(logits)}

    return outputs


def parameterized(
    classifier: Classifier, format: GraphFormat
) -> tuple[Any, dict[str, Any]]:
    """Return the model's outputs as a function of images and of its weights.

    A graph without the weights is small, however large they are: converters keep
    several copies of what is in a graph. In a graph without variables there is
    nothing that they would read in ways of their own.

    Args:
        classifier: in float32.
        format: of the graph.

    Returns:
        A `tf.ConcreteFunction` of `images` and the weights, whose outputs are in the
        order of `OUTPUTS`, and the model's variables by the names of its inputs.
    """
    import tensorflow as tf

    model: Any = classifier.model
    outputs = outputs_of(classifier)
    variables = {f"weight_{i}": one for i, one in enumerate(model.variables)}

    def serve(images: tf.Tensor, **weights: tf.Tensor) -> list[tf.Tensor]:
        mapping = [(variables[name], value) for name, value in weights.items()]
        with keras.StatelessScope(state_mapping=mapping):
            computed = outputs(images)
        return [tf.identity(computed[name], name) for name in OUTPUTS]

    specs = {
        name: tf.TensorSpec(one.shape, one.dtype, name=name)
        for name, one in variables.items()
    }
    images = tf.TensorSpec((None, *model.input_shape[1:]), "float32", name="images")
    with traced_for(format):
        function: Any = tf.function(serve).get_concrete_function(images, **specs)
        return compat.constant_graph(function), variables
