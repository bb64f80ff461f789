"""The pixels that one token stands for."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.inspect.sources import inspected_model
from keras_vit.layers import BasicResNetStem, ConvStem, ResNetDStem, ResNetStem
from keras_vit.model_source import ModelSource

STEMS = (ResNetStem, ResNetDStem, BasicResNetStem, ConvStem)


def cell_size(model: ModelSource) -> tuple[float, float]:
    """Return the pixels from one token of the grid to the next.

    They are the side of a patch. Of a hybrid, the side of a patch is counted in
    cells of the feature map, and each of these stands for as many pixels as the
    stem's stride.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.

    Returns:
        (height, width) in pixels.

    Raises:
        ValueError: for a model without patches.

    Example:

    >>> cell_size(keras_vit.ViT_Ti16(num_classes=10, image_size=32))
    (16.0, 16.0)
    >>> cell_size(keras_vit.R_ViT_Ti16(num_classes=10, image_size=32))
    (32.0, 32.0)
    """
    keras_model = inspected_model(model)
    if "patches" not in (layer.name for layer in keras_model.layers):
        raise ValueError(
            "Expected a Vision Transformer, which divides images into patches. "
            f"Received: {keras_model.name!r}, which has no layer 'patches'"
        )
    patches: Any = keras_model.get_layer("patches")
    down, right = _strides(keras_model, patches)
    height, width = patches.patch_size
    return float(height * down), float(width * right)


def _strides(model: keras.Model, patches: Any) -> tuple[float, float]:
    for layer in model.layers:
        if isinstance(layer, STEMS):
            return layer.stride, layer.stride
    # Of another stem, the sizes show it, as far as it does not round them.
    (high, wide), (rows, columns) = model.input_shape[1:3], patches.input.shape[1:3]
    return high / rows, wide / columns
