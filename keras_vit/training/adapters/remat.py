"""Computing blocks again in the backward pass, to save memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@contextlib.contextmanager
def rematerialized(model: keras.Model) -> Iterator[None]:
    """Let a model's blocks be computed again in the backward pass, in this context.

    Args:
        model: a Keras model; layers without `remat` are as they were.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> with rematerialized(model):
    ...     model.get_layer("block_00").remat
    True
    >>> model.get_layer("block_00").remat
    False
    """
    before = [(layer, layer.remat) for layer in model.layers if hasattr(layer, "remat")]
    for layer, _ in before:
        layer.remat = True
    try:
        yield
    finally:
        for layer, remat in before:
            layer.remat = remat
