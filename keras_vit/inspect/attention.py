"""The attention probabilities inside a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_vit.inspect.blocks import blocks_of, pooling_of
from keras_vit.inspect.images import Images, model_and_images
from keras_vit.inspect.inspector import inspector
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend


def attention_tensors(layers: Sequence[keras.layers.Layer]) -> list[keras.KerasTensor]:
    """Return the attention probabilities of layers that follow each other.

    Each layer runs once, and of the last one the attention alone. New nodes
    stand for the layers, so that their model is not changed.

    Args:
        layers: blocks of a model, and its pooling by attention if wanted.

    Returns:
        One symbolic `(B, H, N, N)` tensor a block, of pooling `(B, H, 1, N)`.
    """
    z, attentions = layers[0].input, []
    for layer, following in itertools.pairwise(layers):
        z, a = _OutputAndAttention(layer, name=f"inspected_{layer.name}")(z)
        z = between(layer.output, following.input)(z)
        attentions.append(a)
    last = layers[-1]
    return [*attentions, _Attention(last, name=f"attention_of_{last.name}")(z)]


def between(before: Any, after: Any) -> Callable[..., Any]:
    """Return what a model computes between two of its tensors, as a function."""
    if before is after:
        return lambda z: z
    return keras.Model(before, after)


class _OutputAndAttention(keras.layers.Layer):
    """A block's output and its attention: `(B, N, D)` and `(B, H, N, N)`."""

    def __init__(self, layer, name):
        super().__init__(name=name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, z):
        a = self.layer.scores(z)
        return self.layer.given(z, a), a


class _Attention(_OutputAndAttention):
    """A layer's attention alone."""

    def call(self, z):
        return self.layer.scores(z)


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


class HeadInput:
    """The rows of tokens that pooling passes to the head.

    B images, N tokens, P patches among them.

    Args:
        model: a ViT of this package.

    Attributes:
        grid: (rows, columns) of patches.
        pooling: `"token"`, `"gap"` or `"map"`.
        class_tokens: the class token, and the distillation token.
    """

    def __init__(self, model: keras.Model):
        encoder: Any = model.get_layer("patch_encoder")
        self.grid: tuple[int, int] = encoder.grid
        self.pooling: str = pooling_of(model)
        self.class_tokens: int = 2 if encoder.distillation_token else 1

    def patches(self, matrix: Any) -> Any:
        """Return the patches' columns, `(..., M, P)`, of a matrix `(..., M, N)`."""
        rows, columns = self.grid
        return matrix[..., -rows * columns :]

    def read(self, matrix: Any, weights: Any = None) -> Any:
        """Return what the head gets of each patch, `(B, ..., rows, columns)`.

        Args:
            matrix: what each token has of each token, `(B, ..., N, N)`.
            weights: of pooling by attention, `(B, 1, P)`.
        """
        of_patches = self.patches(matrix)
        count = of_patches.shape[-1]
        if self.pooling == "token":
            y = ops.mean(of_patches[..., : self.class_tokens, :], axis=-2)
        elif self.pooling == "gap":
            y = ops.mean(of_patches[..., -count:, :], axis=-2)
        else:
            y = ops.matmul(weights, of_patches[..., -count:, :])[..., 0, :]
        return ops.reshape(y, (-1, *matrix.shape[1:-2], *self.grid))
