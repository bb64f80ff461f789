"""The costs of Keras's layers, as rules for a `Tape`."""

import math
from typing import Any

import keras

from keras_vit.inspect.tape import Tape, Value


def view(tape: Tape, layer: Any, value: Value) -> Value:
    """Keep the memory, whatever the shape."""
    return Value(tuple(layer.compute_output_shape(value.shape)), value.memory)


def copy(tape: Tape, layer: Any, *values: Value) -> Value:
    """Move, sum or average: the gradient reads nothing."""
    return tape.make(_shape_of(layer, values), *values)


def norm(tape: Tape, layer: Any, value: Value) -> Value:
    """Normalise, or activate by what the gradient reads the input of."""
    return tape.make(value.shape, value, kept=(value,))


def relu(tape: Tape, layer: Any, value: Value) -> Value:
    """Activate by what the gradient reads the output of."""
    return tape.make(value.shape, value, keeps_made=True)


def _max_pooling(tape, layer, value):
    shape = layer.compute_output_shape(value.shape)
    return tape.make(shape, value, kept=(value,), keeps_made=True)


def _product(tape, layer, value):
    """Dense layers and convolutions: each output is a sum over one filter."""
    shape = layer.compute_output_shape(value.shape)
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    one = layer.kernel.shape[: 2 if depthwise else -1]
    macs = math.prod(shape) * math.prod(one)
    y = tape.make(shape, value, multiply_adds=macs, kept=(value,))
    if layer.activation is keras.activations.linear:
        return y
    return tape.make(shape, y, kept=(y,))


def _separable(tape, layer, value):
    """Each channel by itself, and then the channels of a cell."""
    shape = layer.compute_output_shape(value.shape)
    cells, pointwise = math.prod(shape[:-1]), layer.pointwise_kernel.shape
    macs = cells * math.prod(layer.depthwise_kernel.shape)
    y = tape.make((*shape[:-1], pointwise[2]), value, multiply_adds=macs, kept=(value,))
    macs = cells * math.prod(pointwise)
    return tape.make(shape, y, multiply_adds=macs, kept=(y,))


def _activation(tape, layer, value):
    rule = relu if layer.activation is keras.activations.relu else norm
    return rule(tape, layer, value)


def _factors(tape, layer, *values):
    return tape.make(_shape_of(layer, values), *values, kept=values)


def _shape_of(layer, values):
    shapes = [value.shape for value in values]
    return layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])


def _network(tape, network, value):
    if isinstance(network, (keras.Sequential, keras.Function)):
        return tape.run_network(network, value)
    return tape.run_unknown(network, value)


RULES = {
    keras.Model: _network,
    keras.layers.Dense: _product,
    keras.layers.Conv1D: _product,
    keras.layers.Conv2D: _product,
    keras.layers.DepthwiseConv2D: _product,
    keras.layers.SeparableConv2D: _separable,
    keras.layers.LayerNormalization: norm,
    keras.layers.RMSNormalization: norm,
    keras.layers.GroupNormalization: norm,
    keras.layers.BatchNormalization: norm,
    keras.layers.Normalization: copy,
    keras.layers.Rescaling: copy,
    keras.layers.Activation: _activation,
    keras.layers.ReLU: relu,
    keras.layers.MaxPooling2D: _max_pooling,
    keras.layers.AveragePooling2D: copy,
    keras.layers.GlobalAveragePooling2D: copy,
    keras.layers.GlobalMaxPooling1D: _max_pooling,
    keras.layers.ZeroPadding2D: copy,
    keras.layers.Cropping2D: copy,
    keras.layers.Multiply: _factors,
    keras.layers.Add: copy,
    keras.layers.Average: copy,
    keras.layers.Concatenate: copy,
    keras.layers.Identity: view,
    keras.layers.InputLayer: lambda tape, layer, value: value,
    keras.layers.Dropout: view,
    keras.layers.Flatten: view,
    keras.layers.Reshape: view,
}
