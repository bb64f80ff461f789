"""What each head of each block reads of the image."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit.inspect.blocks import (
    HeadInput,
    attending_layers,
    attention_tensors,
    blocks_of,
)
from keras_vit.inspect.images import Images, model_and_images
from keras_vit.inspect.inspector import inspector
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend


def head_maps(model: ModelSource, images: Images) -> np.ndarray:
    """Return a map over each image of what each head of each block reads.

    Of a block's attention, the map is the rows that pooling passes to the head:
    of `"token"` the class token's (with a distillation token, the mean of
    both), of `"gap"` the mean of the patches' rows, of `"map"` the patches'
    rows weighed by the attention of the pooling, in the mean over its heads.

    L blocks, B images, H heads.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.

    Returns:
        `(L, B, H, rows, columns)` over the grid of patches: each patch's
        share. What is missing to a sum of 1 goes to tokens that are no
        patches.

    Raises:
        ValueError: if the model has no block or merges tokens, and for images
            that `read_images` refuses.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> head_maps(model, np.zeros((2, 32, 48, 3))).shape
    (12, 2, 3, 2, 3)
    """
    keras_model, pixels = model_and_images(model, images)
    maps = inspector(keras_model, _heads_model).predict_on_batch(pixels)
    return np.moveaxis(maps, 1, 0)


def _heads_model(model):
    attentions = attention_tensors(attending_layers(model))
    read = _Heads(len(blocks_of(model)), HeadInput(model), name="head_maps")
    return keras.Model(model.input, read(attentions))


class _Heads(keras.layers.Layer):
    """Attentions to maps, `(B, L, H, rows, columns)`."""

    def __init__(self, blocks, head_input, name):
        super().__init__(name=name, dtype="float32")
        self.blocks, self.head_input = blocks, head_input
        self.built = True

    def call(self, attentions):
        weights = [
            ops.mean(one, axis=1, keepdims=True) for one in attentions[self.blocks :]
        ]
        maps = [self.head_input.read(a, *weights) for a in attentions[: self.blocks]]
        return ops.stack(maps, axis=1)
