"""What of the image supports a class."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit.inspect.blocks import HeadInput, attending_layers, between, blocks_of
from keras_vit.inspect.images import Images, model_and_images
from keras_vit.inspect.inspector import inspector
from keras_vit.layers import TransformerBlock
from keras_vit.layers.head import heads_of
from keras_vit.logits import logits_model
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend

PREDICTED = -1  # as a class's number: the class that the model predicts


def gradient_rollout(
    model: ModelSource, images: Images, classes: Any = None
) -> np.ndarray:
    """Return a map over each image of what supports a class, by attention.

    Chefer, Gur and Wolf (arXiv:2103.15679), Eqs. 5 and 6: a rollout in which
    attention counts by what it does for the class's logit y_c. With A_l the
    attention of block l, of H heads, R begins as I, and each block in turn
    makes it R + A'_l R with A'_l = mean over heads of (dy_c/dA_l * A_l)^+.

    The map is what pooling reads of R - I: of `"token"` the class token's row
    (with a distillation token, the mean of both), of `"gap"` the mean of the
    patches' rows. Pooling by attention, `"map"`, is one attention more, and
    the map its A' R.

    Args:
        model: a ViT of this package with a head, or the path of a saved one: a
            run's folder or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.
        classes: the number of a class, or one for each image; `None`: the
            class that the model predicts.

    Returns:
        `(B, rows, columns)`, at least 0. The scale is that of the gradient, so
        values can be compared within an image only.

    Raises:
        ValueError: if the model has no block or merges tokens, has no head or
            not such classes, and for images that `read_images` refuses.
        NotImplementedError: on a backend other than TensorFlow.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> gradient_rollout(model, np.zeros((2, 32, 48, 3)), classes=7).shape
    (2, 2, 3)
    """
    return _maps(model, _Relevance, images, classes)


def grad_cam(model: ModelSource, images: Images, classes: Any = None) -> np.ndarray:
    """Return a map over each image of the patches that support a class.

    Grad-CAM (Selvaraju et al., arXiv:1610.02391, Eqs. 1 and 2) on tokens instead
    of the cells of a convolution: of the patches that enter the last block, the
    sum of features, each weighed by its mean gradient over patches, where that
    sum is positive. The input of the last block is read because its patches
    reach the logit under any pooling; of its output, pooling by `"token"` reads
    the class token alone.

    Args:
        model: a ViT of this package with a head, or the path of a saved one: a
            run's folder or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.
        classes: the number of a class, or one for each image; `None`: the
            class that the model predicts.

    Returns:
        `(B, rows, columns)`, at least 0. The scale is that of the gradient, so
        values can be compared within an image only.

    Raises:
        ValueError: if the model has no block or merges tokens, has no head or
            not such classes, and for images that `read_images` refuses.
        NotImplementedError: on a backend other than TensorFlow.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> grad_cam(model, np.zeros((2, 32, 48, 3)), classes=[7, 2]).shape
    (2, 2, 3)
    """
    return _maps(model, _GradCAM, images, classes)


def _maps(model, method, images, classes):
    keras_model, pixels = model_and_images(model, images)
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "Gradients of a class need the TensorFlow backend. "
            f"Received: {keras.backend.backend()}"
        )
    numbers = _class_numbers(keras_model, len(pixels), classes)
    maps_of = inspector(keras_model, _relevance_model, method)
    return maps_of.predict_on_batch([pixels, numbers])


def _class_numbers(model, count, classes):
    if not heads_of(model):
        raise ValueError(
            "Expected a model with a head, whose classes have logits. "
            f"Received: {model.name!r}, which has none"
        )
    if classes is None:
        return np.full(count, PREDICTED, np.int32)
    numbers, most = np.asarray(classes), logits_model(model).output_shape[-1]
    whole = numbers.dtype.kind in "iu" and numbers.shape in ((), (count,))
    if not whole or numbers.min() < 0 or numbers.max() >= most:
        raise ValueError(
            f"classes must be a number from 0 to {most - 1}, or one for each of "
            f"{count} images. Received: classes={classes!r}"
        )
    return np.broadcast_to(numbers, (count,)).astype(np.int32)


def _relevance_model(model, method):
    model = logits_model(model)
    numbers = keras.Input((), dtype="int32", name="classes")
    maps = method(model, name=method.__name__.strip("_").lower())
    z = maps.entrance(model)
    return keras.Model([model.input, numbers], maps([z, numbers]))


def _logit_of(logits, numbers):
    """The sum over images of the logit of each one's class."""
    numbers = ops.where(numbers < 0, ops.argmax(logits, axis=-1), numbers)
    return ops.sum(logits * ops.one_hot(numbers, logits.shape[-1]))


class _Relevance(keras.layers.Layer):
    """What enters the first block, and classes, to maps `(B, rows, columns)`."""

    def __init__(self, model, name):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.attending = attending_layers(model)
        ends = [layer.input for layer in self.attending[1:]] + [model.output]
        self.between = [
            between(layer.output, end)
            for layer, end in zip(self.attending, ends, strict=True)
        ]
        self.head_input = HeadInput(model)
        self.built = True

    def entrance(self, model):
        return blocks_of(model)[0].input

    def compute_output_shape(self, shapes):  # else Keras takes gradients to know it
        return (shapes[0][0], *self.head_input.grid)

    def call(self, inputs):
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


class _GradCAM(keras.layers.Layer):
    """What enters the last block, and classes, to maps `(B, rows, columns)`."""

    def __init__(self, model, name):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.rest = between(self.entrance(model), model.output)
        self.grid = model.get_layer("patch_encoder").grid
        self.built = True

    def entrance(self, model):
        return blocks_of(model)[-1].input

    def compute_output_shape(self, shapes):
        return (shapes[0][0], *self.grid)

    def call(self, inputs):
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
