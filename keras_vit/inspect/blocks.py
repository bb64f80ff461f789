"""Which layers of a model attend, their attention, and what its head reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_vit.layers import (
    AttentionPooling,
    MergingBlock,
    TakePrefix,
    TokenMean,
    TransformerBlock,
)

ops: Any = keras.ops  # whose inferred types are those of one backend


class NoAttentionError(ValueError):
    """A model has no attention that could be inspected."""


def blocks_of(model: keras.Model) -> list[TransformerBlock]:
    """Return the blocks of a model's encoder, in order, if they keep every token.

    Raises:
        NoAttentionError: if it has none, or if they merge tokens.
    """
    layers = getattr(model, "layers", ())
    blocks = [layer for layer in layers if isinstance(layer, TransformerBlock)]
    if not blocks:
        raise NoAttentionError(
            "Expected a Vision Transformer, whose layers include TransformerBlock. "
            f"Received: {getattr(model, 'name', model)!r}, which has no such layer"
        )
    merging = [block for block in blocks if isinstance(block, MergingBlock)]
    if merging:
        raise NoAttentionError(
            "Expected a model that keeps every token. "
            f"Received: {model.name!r}, which merges {merging[0].token_merging} tokens "
            "in each block. keras_vit.merge_tokens(model, 0) returns a model with the "
            "same weights that merges none"
        )
    return blocks


def attending_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that attend on the way to the head: blocks, then pooling."""
    pools = (one for one in model.layers if isinstance(one, AttentionPooling))
    return [*blocks_of(model), *pools]


def pooling_of(model: keras.Model) -> str:
    """Return how a model makes one vector: `"token"`, `"gap"`, `"prefix_gap"`, `"map"`.

    Attention of a `"map"` is a layer of its own, `AttentionPooling`.
    """
    operations = model.operations
    if any(isinstance(one, AttentionPooling) for one in operations):
        return "map"
    if any(isinstance(one, TakePrefix) for one in operations):
        return "prefix_gap"
    if any(isinstance(one, TokenMean) for one in operations):
        return "gap"
    # `ops.mean` over the tokens of a functional model; there is no layer for it.
    means = [one for one in operations if type(one).__name__ == "Mean"]
    return "gap" if any(len(one.input.shape) == 3 for one in means) else "token"


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


class HeadInput:
    """The rows of tokens that pooling passes to the head.

    B images, N tokens, P patches among them.

    Args:
        model: a ViT of this package.

    Attributes:
        grid: (rows, columns) of patches.
        pooling: `"token"`, `"gap"`, `"prefix_gap"` or `"map"`.
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
        elif self.pooling == "prefix_gap":
            y = ops.mean(of_patches[..., :-count, :], axis=-2)
        elif self.pooling == "gap":
            y = ops.mean(of_patches[..., -count:, :], axis=-2)
        else:
            y = ops.matmul(weights, of_patches[..., -count:, :])[..., 0, :]
        return ops.reshape(y, (-1, *matrix.shape[1:-2], *self.grid))
