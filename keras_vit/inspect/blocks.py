"""Which layers of a model attend, their attention, and what its head reads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_vit.layers import (
    AttentionPooling,
    BranchedBlock,
    MergingBlock,
    PoolingConfig,
    TransformerBlock,
)
from keras_vit.layers.pooling_config import READS_CLASS_TOKEN
from keras_vit.pooling import pooling_of

ops: Any = keras.ops  # whose inferred types are those of one backend


class NoAttentionError(ValueError):
    """A model has no attention that could be inspected."""


def blocks_of(model: keras.Model) -> list[TransformerBlock]:
    """Return the blocks of a model's encoder, in order, if they keep every token.

    Raises:
        NoAttentionError: if it has none, if they merge tokens, or if several
            attentions stand side by side in one.
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
    branched = [block for block in blocks if isinstance(block, BranchedBlock)]
    if branched:
        raise NoAttentionError(
            "Expected blocks of one attention each, whose heads are shown. Received: "
            f"{model.name!r}, whose blocks have {branched[0].config.num_branches} "
            "attentions side by side"
        )
    return blocks


def attending_layers(model: keras.Model) -> list[Any]:
    """Return what attends on the way to the head: blocks, then pooling.

    Pooling by the largest of each feature is attention too, see
    `MaxPoolingAttention`.
    """
    attending: list[Any] = [*blocks_of(model)]
    pool = pooling_of(model)
    if pool is not None and pool.kind in ("max", "gap_max"):
        return [*attending, MaxPoolingAttention(model, pool)]
    pools = (one for one in model.layers if isinstance(one, AttentionPooling))
    return [*attending, *pools]


def attention_tensors(layers: Sequence[Any]) -> list[keras.KerasTensor]:
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


class MaxPoolingAttention:
    """Pooling by `"max"` or `"gap_max"`, as attention of heads of one feature.

    Of each feature the largest over tokens is read: a head that attends to one
    token alone. Of `"gap_max"` half of what a head reads is spread over all.

    B images, N tokens that are pooled, D features.

    Args:
        model: a ViT that pools so.
        config: its pooling.

    Attributes:
        input: the tokens, `(B, N, D)`.
        output: what stands for the image, `(B, D)`.
    """

    def __init__(self, model: keras.Model, config: PoolingConfig) -> None:
        pool: Any = model.get_layer("pooling")
        is_both = config.kind == "gap_max"
        largest: Any = model.get_layer("pooling_max") if is_both else pool
        self.input, self.output = largest.input, pool.output
        self.name, self.dtype_policy = pool.name, pool.dtype_policy
        self.spread = 0.5 if is_both else 0.0

    def scores(self, z: Any) -> Any:
        """Return how much of each token is read: `(B, D, 1, N)`."""
        count = z.shape[1]
        a = ops.one_hot(ops.argmax(z, axis=1), count, dtype=z.dtype)  # B, D, N
        return ((1 - self.spread) * a + self.spread / count)[:, :, None]

    def given(self, z: Any, a: Any) -> Any:
        """Return the output if pooling reads z by a, `(B, D, 1, N)`."""
        return ops.einsum("bdn,bnd->bd", a[:, :, 0], z)

    def __call__(self, z: Any) -> Any:
        """Return the output of pooling for z."""
        return self.given(z, self.scores(z))


class HeadInput:
    """The rows of tokens that pooling passes to the head.

    B images, N tokens, P patches among them.

    Args:
        model: a ViT of this package that pools its tokens.

    Attributes:
        grid: (rows, columns) of patches.
        kind: how it pools, as `PoolingConfig.kind`.
        class_tokens: the class token, and the distillation token.
        num_pooled: how many tokens, the last ones, a mean is taken of; of
            `"prefix_gap"` all before them.

    Raises:
        NoAttentionError: if nothing is pooled.
    """

    def __init__(self, model: keras.Model):
        pool = pooling_of(model)
        if pool is None:
            raise NoAttentionError(
                "Expected a model that pools its tokens, so that one map shows what "
                f"it reads. Received: {model.name!r}, built with pooling=None. "
                "attention_maps returns what each token reads"
            )
        encoder: Any = model.get_layer("patch_encoder")
        self.grid: tuple[int, int] = encoder.grid
        self.kind = pool.kind
        self.class_tokens: int = 2 if encoder.distillation_token else 1
        tokens: Any = blocks_of(model)[0].input
        self.num_pooled = math.prod(self.grid)
        if pool.prefix_tokens:
            self.num_pooled = tokens.shape[1]

    def patches(self, matrix: Any) -> Any:
        """Return the patches' columns, `(..., M, P)`, of a matrix `(..., M, N)`."""
        rows, columns = self.grid
        return matrix[..., -rows * columns :]

    def read(self, matrix: Any, weights: Any = None) -> Any:
        """Return what the head gets of each patch, `(B, ..., rows, columns)`.

        Args:
            matrix: what each token has of each token, `(B, ..., N, N)`.
            weights: of pooling by attention, `(B, 1, num_pooled)`.
        """
        of_patches = self.patches(matrix)
        pooled = of_patches[..., -self.num_pooled :, :]
        if self.kind == "prefix_gap":
            pooled = of_patches[..., : -self.num_pooled, :]
        if weights is not None:
            y = ops.matmul(weights, pooled)[..., 0, :]
        else:
            y = ops.mean(pooled, axis=-2)
        if self.kind in READS_CLASS_TOKEN and self.kind != "prefix_gap":
            token = ops.mean(of_patches[..., : self.class_tokens, :], axis=-2)
            y = token if self.kind == "token" else (token + y) / 2
        return ops.reshape(y, (-1, *matrix.shape[1:-2], *self.grid))
