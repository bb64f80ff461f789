"""Which layers and weights of a model are trained, kept to be restored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_vit import compat

if TYPE_CHECKING:
    import keras


def restorer(model: keras.Model) -> Callable[[], None]:
    """Return a function that sets again what is trainable now.

    A run freezes layers for itself. They must not stay frozen in another run
    that begins from its model.

    Args:
        model: a Keras model.

    Returns:
        A function without arguments.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> restore, before = restorer(model), len(model.trainable_weights)
    >>> model.trainable = False
    >>> restore()
    >>> len(model.trainable_weights) == before
    True
    """
    # A layer sets what is in it too, so that comes after it.
    layers = [(layer, layer.trainable) for layer in compat.flatten_layers(model)]
    weights = [(weight, weight.trainable) for weight in model.weights]

    def restore():
        for one, trainable in (*layers, *weights):
            one.trainable = trainable

    return restore
