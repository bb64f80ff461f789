"""What each head of each block reads of the picture."""

import keras
import numpy as np
from keras import ops

from keras_vit.inspect.attention import (
    Reading,
    attending_layers,
    attention_tensors,
    blocks_of,
    images_for,
)
from keras_vit.inspect.inspector import inspector


def head_maps(model, images):
    """Gives a map over each image of what each head of each block reads.

    Of a block's attention those rows are shown that pooling reads at the end:
    of `"token"` the class token's (with a distillation token, the mean of
    both), of `"gap"` the mean of the patches' rows, of `"map"` the patches'
    rows as the pooling's own attention weighs them, in the mean over its
    heads.

    L blocks, B images, H heads.

    Args:
        model: a ViT of this package.
        images: `(B, height, width, 3)`, pixels in [0, 255].

    Returns:
        `(L, B, H, rows, columns)` over the grid of patches: each patch's
        share. What is missing to a sum of 1 goes to tokens that are no
        patches.

    Raises:
        ValueError: if the model has no block, or for images of another shape.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> head_maps(model, np.zeros((2, 32, 48, 3))).shape
    (12, 2, 3, 2, 3)
    """
    images = images_for(model, images)
    maps = inspector(model, _heads_model).predict_on_batch(images)
    return np.moveaxis(maps, 1, 0)


def _heads_model(model):
    attentions = attention_tensors(attending_layers(model))
    read = _Heads(len(blocks_of(model)), Reading(model), name="head_maps")
    return keras.Model(model.input, read(attentions))


class _Heads(keras.layers.Layer):
    """Attentions to maps, `(B, L, H, rows, columns)`."""

    def __init__(self, blocks, reading, name):
        super().__init__(name=name, dtype="float32")
        self.blocks, self.reading = blocks, reading
        self.built = True

    def call(self, attentions):
        weights = [
            ops.mean(one, axis=1, keepdims=True) for one in attentions[self.blocks :]
        ]
        maps = [self.reading.read(a, *weights) for a in attentions[: self.blocks]]
        return ops.stack(maps, axis=1)
