"""Attention as the difference of two maps."""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_vit.layers.attention import MultiHeadSelfAttention
from keras_vit.layers.block_config import BlockConfig
from keras_vit.layers.memory_efficient_attention import memory_efficient_attention
from keras_vit.layers.normalization import normalization
from keras_vit.layers.tensors import Shape, Tensor, ops

VECTORS = ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2")
EPSILON = 1e-5  # of the norm of each head, as published


@keras.saving.register_keras_serializable(package="keras_vit")
class DifferentialAttention(MultiHeadSelfAttention):
    """Each head reads by one map of attention less a share of a second one.

    The differential transformer (arXiv:2410.05258): queries and keys of a head
    are halved, each half has a softmax, and values are read by `A_1 - lambda
    A_2`, which cancels what both maps have in common. What a head reads is
    normalised by itself, in root mean square, and multiplied by
    `1 - lambda_init`. Lambda is learned, `exp(q_1 k_1) - exp(q_2 k_2) +
    lambda_init` of four vectors; its initial value grows with depth, `0.8 - 0.6
    exp(-0.3 index)`. Dropout is that of the difference. What looks into a model
    shows these differences, of which some are below 0.

    B images, N tokens, D features of a token, H heads, d = D / H.

    Args:
        num_heads: H; twice of it must divide D.
        index: of the block in its encoder, counted from 0.
        **kwargs: the other arguments of `MultiHeadSelfAttention`, none of
            positions.

    Input and output shape: `(B, N, D)`.

    Raises:
        ValueError: for positions, or if a head's features cannot be halved.

    Example:

    >>> attention = DifferentialAttention(num_heads=3, index=2)
    >>> attention(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    >>> attention.scores(keras.KerasTensor((2, 197, 192))).shape
    (2, 3, 197, 197)
    """

    maps = 2

    def __init__(self, num_heads: int, *, index: int = 0, **kwargs: Any) -> None:
        super().__init__(num_heads, **kwargs)
        if self.has_positions:
            raise ValueError(
                "Differential attention has no positions of its own. Expected "
                "positions at the input. Received: "
                f"position_embedding={self.position_embedding!r}"
            )
        self.index = index
        self.lambda_init = 0.8 - 0.6 * math.exp(-0.3 * index)

    def build(
        self,
        z_shape: Shape,
        queries_shape: Shape | None = None,
        sizes_shape: Shape | None = None,
    ) -> None:
        super().build(z_shape, queries_shape, sizes_shape)
        self.vectors = [
            self.add_weight(
                name=name,
                shape=(self.key_dim,),
                initializer=keras.initializers.RandomNormal(stddev=0.1),
            )
            for name in VECTORS
        ]
        self.head_norm = normalization(
            "rms", EPSILON, name="head_norm", dtype=self.dtype_policy
        )
        self.head_norm.build((None, None, None, self.head_dim))

    def scores_and_keys(
        self, z: Tensor, queries: Tensor | None = None, sizes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return `A_1 - lambda A_2`, `(B, H, M, N)`, and keys, `(B, 2 H, N, d / 2)`.

        A row sums to `1 - lambda`, and may have values below 0.
        """
        a, k = super().scores_and_keys(z, queries, sizes)
        a = ops.reshape(a, (-1, self.num_heads, 2, *a.shape[2:]))
        return a[:, :, 0] - self._lambda(a.dtype) * a[:, :, 1], k

    def _read_in_blocks(self, q: Tensor, k: Tensor, v: Tensor, **options) -> Tensor:
        first, second = (
            memory_efficient_attention(q[:, one::2], k[:, one::2], v, **options)
            for one in range(2)
        )
        return first - ops.cast(self._lambda(self.compute_dtype), v.dtype) * second

    def _lambda(self, dtype: Any) -> Tensor:
        q1, k1, q2, k2 = (ops.cast(vector, dtype) for vector in self.vectors)
        one, two = ops.exp(ops.sum(q1 * k1)), ops.exp(ops.sum(q2 * k2))
        return one - two + self.lambda_init

    def _read_by_heads(self, x: Tensor) -> Tensor:
        return self.head_norm(x) * (1 - self.lambda_init)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"index": self.index}


def attention_of(config: BlockConfig, index: int, **options: Any) -> Any:
    """Return the attention of a block.

    Args:
        config: of the block.
        index: of the block in its encoder.
        **options: arguments of every kind of attention.

    Example:

    >>> type(attention_of(BlockConfig(), 0, num_heads=3)).__name__
    'MultiHeadSelfAttention'
    """
    if config.attention == "differential":
        return DifferentialAttention(index=index, config=config, **options)
    return MultiHeadSelfAttention(config=config, **options)
