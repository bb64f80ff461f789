"""The biases of attention for offsets between patches, as weights hold them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.sources import inspected_model
from keras_vit.model_source import ModelSource


def relative_biases(model: ModelSource) -> np.ndarray:
    """Return the bias of attention for each offset between two patches.

    Relative biases (BEiT, arXiv:2106.08254; Swin V2, arXiv:2111.09883) do not
    depend on images, unlike `relative_positions`.

    L blocks, H heads, a grid of h x w patches.

    Args:
        model: a ViT of this package with relative biases, or the path of a
            saved one: a run's folder or a `.keras` file.

    Returns:
        float32 `(L, H, 2 h - 1, 2 w - 1)`: of the offsets (y_q - y_k,
        x_q - x_k) of a query's patch from a key's, the most negative first.

    Raises:
        ValueError: if a block has no relative biases.

    Example:

    >>> model = keras_vit.ViT(image_size=(32, 48), num_layers=2, num_heads=1,
    ...                       hidden_dim=8, block={"relative_bias": {}})
    >>> relative_biases(model).shape
    (2, 1, 3, 5)
    """
    return biases_of(inspected_model(model))


def biases_of(model: keras.Model) -> np.ndarray:
    """Return what `relative_biases` returns, of a Keras model."""
    layers: list[Any] = [one.attention.relative_bias for one in blocks_of(model)]
    if any(layer is None for layer in layers):
        raise ValueError(
            "Expected a model with relative biases in every block, built with "
            f"block={{'relative_bias': ...}}. Received: {model.name!r}, without them"
        )
    return np.stack([layer.by_offset() for layer in layers])
