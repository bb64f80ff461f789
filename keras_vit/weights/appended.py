"""A model with layers after what a function of this package built."""

from __future__ import annotations

import keras

from keras_vit.compat import node_of
from keras_vit.image_model import KerasVitModel
from keras_vit.layers import Head


def built_and_appended(
    model: keras.Model,
) -> tuple[keras.Model, keras.Model] | None:
    """Return what was built of a model, and what has been appended to it since.

    Such as a softmax, or `keras_vit.layers.Logits` behind the head.

    Args:
        model: a functional Keras model.

    Returns:
        Two models on the same layers, the second from the first one's outputs to
        the model's; `None` if nothing is appended, or more than one path leads
        there.

    Example:

    >>> vit = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> model = keras.Model(vit.input, keras.layers.Softmax()(vit.output))
    >>> built, appended = built_and_appended(model)
    >>> built.layers[-1].name, appended.layers[-1].name
    ('head', 'softmax')
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None
    tensor = model.outputs[0]
    operation, inputs = node_of(tensor)
    while not _ends_what_was_built(operation):
        if len(inputs) != 1:
            return None
        tensor = inputs[0]
        operation, inputs = node_of(tensor)
    if tensor is model.outputs[0]:
        return None
    built = KerasVitModel(model.inputs[0], tensor, name=model.name)
    return built, keras.Model(tensor, model.outputs[0])


def _ends_what_was_built(operation: keras.Operation) -> bool:
    averages = isinstance(operation, keras.layers.Average)
    return isinstance(operation, Head) or averages or operation.name == "features"
