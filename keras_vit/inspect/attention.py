"""The attention probabilities inside a model."""

from __future__ import annotations

import keras
import numpy as np

from keras_vit.inspect.blocks import attention_tensors, blocks_of
from keras_vit.inspect.images import Images, model_and_images
from keras_vit.inspect.inspector import inspector
from keras_vit.model_source import ModelSource


def attention_maps(model: ModelSource, images: Images) -> list[np.ndarray]:
    """Return the attention probabilities of every block: Eq. 6 of the ViT paper.

    The model itself is neither rebuilt nor slowed.

    B images, H heads, N tokens: class token, distillation token and registers,
    where the model has them, then the patches by rows.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.

    Returns:
        A list with one array `(B, H, N, N)` a block. Row i holds how much
        token i reads of each token; its sum is 1.

    Raises:
        ValueError: if the model has no block or merges tokens, and for images
            that `read_images` refuses.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> maps = attention_maps(model, np.zeros((2, 32, 32, 3)))
    >>> len(maps), maps[0].shape
    (12, (2, 3, 5, 5))
    """
    keras_model, pixels = model_and_images(model, images)
    maps = inspector(keras_model, _maps_model).predict_on_batch(pixels)
    return maps if isinstance(maps, list) else [maps]  # of one block, Keras unpacks it


def _maps_model(model):
    return keras.Model(model.input, attention_tensors(blocks_of(model)))
