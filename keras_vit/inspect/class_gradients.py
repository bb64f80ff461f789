"""Layers that read the gradient of a class's logit."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.inspect.blocks import HeadInput, attending_layers, between, blocks_of
from keras_vit.layers import TransformerBlock
from keras_vit.logits import logits_model

ops: Any = keras.ops  # whose inferred types are those of one backend


def class_gradients_model(model: keras.Model, method: Any) -> keras.Model:
    """Return a model of images and the numbers of classes to maps.

    Args:
        model: a ViT with a head.
        method: `GradientRollout` or `GradCAM`.
    """
    model = logits_model(model)
    numbers = keras.Input((), dtype="int32", name="classes")
    maps = method(model, name=method.__name__.lower())
    z = maps.entrance(model)
    return keras.Model([model.input, numbers], maps([z, numbers]))


def _logit_of(logits, numbers):
    """The sum over images of the logit of each one's class."""
    numbers = ops.where(numbers < 0, ops.argmax(logits, axis=-1), numbers)
    return ops.sum(logits * ops.one_hot(numbers, logits.shape[-1]))


class GradientRollout(keras.layers.Layer):
    """What enters the first block, and classes, to maps `(B, rows, columns)`.

    See `keras_vit.inspect.gradient_rollout`.
    """

    def __init__(self, model: keras.Model, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.attending = attending_layers(model)
        ends = [layer.input for layer in self.attending[1:]] + [model.output]
        self.between = [
            between(layer.output, end)
            for layer, end in zip(self.attending, ends, strict=True)
        ]
        self.head_input = HeadInput(model)
        self.built = True

    def entrance(self, model: keras.Model) -> Any:
        """Return the tensor of the model that the layer reads."""
        return blocks_of(model)[0].input

    # Without it, Keras takes gradients to know the shape.
    def compute_output_shape(self, shapes: Any) -> tuple[int | None, ...]:
        return (shapes[0][0], *self.head_input.grid)

    def call(self, inputs: Any) -> Any:
        z, numbers = inputs
        relevance: Any = None
        identity: Any = None
        weights = []
        for layer, a in zip(self.attending, self._weighed(z, numbers), strict=True):
            if not isinstance(layer, TransformerBlock):
                weights.append(a)
                continue
            identity = ops.eye(a.shape[-1], dtype=a.dtype)
            relevance = identity if relevance is None else relevance
            relevance = relevance + ops.matmul(a, relevance)
        if not weights:
            relevance = relevance - identity
        return self.head_input.read(relevance, *weights)

    def _weighed(self, z, numbers):
        """The mean over heads of (dy_c/dA * A)^+, for each that attends."""
        import tensorflow as tf

        attentions = []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for layer, after in zip(self.attending, self.between, strict=True):
                a = layer.scores(z)
                tape.watch(a)
                attentions.append(a)
                z = after(layer.given(z, a))
            y = _logit_of(z, numbers)
        gradients = tape.gradient(y, attentions)
        return [
            ops.mean(ops.relu(gradient * a), axis=1)
            for gradient, a in zip(gradients, attentions, strict=True)
        ]


class GradCAM(keras.layers.Layer):
    """What enters the last block, and classes, to maps `(B, rows, columns)`.

    See `keras_vit.inspect.grad_cam`.
    """

    def __init__(self, model: keras.Model, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.rest = between(self.entrance(model), model.output)
        self.grid = model.get_layer("patch_encoder").grid
        self.built = True

    def entrance(self, model: keras.Model) -> Any:
        """Return the tensor of the model that the layer reads."""
        return blocks_of(model)[-1].input

    def compute_output_shape(self, shapes: Any) -> tuple[int | None, ...]:
        return (shapes[0][0], *self.grid)

    def call(self, inputs: Any) -> Any:
        import tensorflow as tf

        z, numbers = inputs
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            y = _logit_of(self.rest(z), numbers)
        gradient = tape.gradient(y, z)
        rows, columns = self.grid
        z, gradient = (
            ops.cast(one[:, -rows * columns :], "float32") for one in (z, gradient)
        )
        weights = ops.mean(gradient, axis=1, keepdims=True)
        maps = ops.relu(ops.sum(weights * z, axis=-1))
        return ops.reshape(maps, (-1, rows, columns))
