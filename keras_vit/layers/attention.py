"""Multi-head attention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_vit.layers.attention_heads import (
    checked_key_value_heads,
    joined_heads,
    repeated_heads,
    split_heads,
)
from keras_vit.layers.attention_positions import check_positions, positions_of
from keras_vit.layers.block_config import BlockConfig
from keras_vit.layers.memory_efficient_attention import (
    Dropout,
    memory_efficient_attention,
    saves_memory,
)
from keras_vit.layers.normalization import normalization
from keras_vit.layers.quantized import Composite
from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class MultiHeadSelfAttention(Composite):
    """Multi-head self-attention: Eqs. 5 to 8, appendix A of the ViT paper.

    The four projections are dense layers of D x D, which makes the published
    initialisation, Xavier uniform over D inputs and D outputs, Keras's own.
    Features of one head lie together: feature f belongs to head f // d.

    B images, N tokens, D features of a token, H heads, d = D / H.

    Args:
        num_heads: H, which must divide D.
        attention_dropout_rate: of the attention probabilities.
        qk_norm: whether queries and keys are normalised, over the features of
            a head, before they meet (arXiv:2302.05442).
        layer_norm_epsilon: of that normalisation.
        position_embedding: `"relative"` (see `RelativePositions`) or
            `"rope_2d"` (see `RotaryPositions`); `"none"`: attention knows of
            no places.
        grid: (h, w), the rows and columns of patches, the last h w tokens;
            what positions need.
        query_projection: whether tokens that look are projected to queries, or
            are the queries.
        config: a `BlockConfig`, or its fields by name, whose choices of norm,
            biases, heads and positions are attention's; `None`: the defaults.

    Call arguments:
        z: the tokens, `(B, N, D)`.
        queries: the tokens that look, `(B, M, D)`; z itself by default.
        sizes: how many patches each token stands for, `(B, N)`; by default 1.
        training: whether dropout is active.

    Output shape: `(B, N, D)`, or `(B, M, D)` with `queries`.

    Raises:
        ValueError: if the heads do not divide the width, or those of keys and
            values do not divide the heads, or if positions lack their grid or
            meet `queries`, which have no place in it.

    Example:

    >>> attention = MultiHeadSelfAttention(num_heads=3)
    >>> attention(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    >>> attention.scores(keras.KerasTensor((2, 197, 192))).shape
    (2, 3, 197, 197)
    """

    maps = 1  # of attention, that each head reads by

    def __init__(
        self,
        num_heads: int,
        attention_dropout_rate: float = 0.0,
        qk_norm: bool = False,
        layer_norm_epsilon: float = 1e-6,
        position_embedding: str = "none",
        *,
        grid: Sequence[int] | None = None,
        query_projection: bool = True,
        config: BlockConfig | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = BlockConfig.of(config)
        self.num_key_value_heads = checked_key_value_heads(num_heads, self.config)
        self.queries_per_key = num_heads // self.num_key_value_heads
        check_positions(position_embedding, self.config, grid)
        self.has_positions = position_embedding != "none" or self.config.has_positions
        self.num_heads = num_heads
        self.attention_dropout_rate = attention_dropout_rate
        self.qk_norm = qk_norm
        self.layer_norm_epsilon = layer_norm_epsilon
        self.position_embedding = position_embedding
        self.grid = grid and tuple(grid)
        self.query_projection = query_projection

    def build(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        z_shape: Shape,
        queries_shape: Shape | None = None,
        sizes_shape: Shape | None = None,
    ) -> None:
        width = z_shape[-1]
        self._check_shapes(width, queries_shape)
        self.head_dim = width // self.num_heads
        self.key_dim = self.head_dim // self.maps
        self._build_projections(z_shape)
        self.query_norm = self._norm("query_norm", self.key_dim, self.qk_norm)
        self.key_norm = self._norm("key_norm", self.key_dim, self.qk_norm)
        self.norm = self._norm("norm", width, self.config.attention_norm)
        self.relative, self.rotary, self.relative_bias = positions_of(
            self.position_embedding, self.config, self.grid, self.dtype_policy
        )
        of_heads = (None, self.num_heads, z_shape[1], self.head_dim)
        for positions in (self.relative, self.rotary, self.relative_bias):
            if positions is not None:
                self._build_part(positions, of_heads)
        self.dropout = keras.layers.Dropout(
            self.attention_dropout_rate, name="dropout", dtype=self.dtype_policy
        )

    def _check_shapes(self, width: int, queries_shape: Shape | None) -> None:
        if width % (self.num_heads * self.maps):
            raise ValueError(
                f"num_heads{' and 2' if self.maps > 1 else ''} must divide the width "
                f"of a token. Received: num_heads={self.num_heads}, a width of {width}"
            )
        check_positions(self.position_embedding, self.config, self.grid, queries_shape)

    def _build_projections(self, z_shape: Shape) -> None:
        of_keys = self.num_key_value_heads * self.head_dim
        for name in ("query", "key", "value", "out"):
            projection = keras.layers.Dense(
                of_keys if name in ("key", "value") else z_shape[-1],
                use_bias=self.config.has_bias(name),
                kernel_initializer="glorot_uniform",
                name=name,
                dtype=self.dtype_policy,
            )
            if name == "query" and not self.query_projection:
                projection = keras.layers.Identity(name=name, dtype=self.dtype_policy)
            self._build_part(projection, z_shape)
            setattr(self, name, projection)

    def _norm(self, name: str, width: int, wanted: bool) -> Any:
        if not wanted:
            return None
        epsilon, dtype = self.layer_norm_epsilon, self.dtype_policy
        norm = normalization(self.config.norm, epsilon, name=name, dtype=dtype)
        norm.build((None, None, width))
        return norm

    def scores(
        self, z: Tensor, queries: Tensor | None = None, sizes: Tensor | None = None
    ) -> Tensor:
        """Return the attention probabilities, of shape `(B, H, M, N)`: Eq. 6.

        A row says how much of each token one token reads; it sums to 1. The
        softmax is taken in float32 at least, under any dtype policy.
        """
        return self.scores_and_keys(z, queries, sizes)[0]

    def scores_and_keys(
        self, z: Tensor, queries: Tensor | None = None, sizes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return `scores`, and the keys that queries met, `(B, H, N, d)`.

        A token of size s counts as s equal ones would: proportional attention,
        Eq. 1 of arXiv:2210.09461.
        """
        q, k = self._queries_and_keys(z, queries)
        a = ops.matmul(q, ops.swapaxes(k, -1, -2))
        for bias in self._biases:
            a = a + bias(q)
        a = ops.cast(a, self._precise)
        if sizes is not None:
            a = a + self._log(sizes)[:, None, None]
        return ops.softmax(a, axis=-1), k

    def _queries_and_keys(
        self, z: Tensor, queries: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the scaled queries, `(B, H, M, d)`, and the keys: Eq. 5."""
        q = self.query(z if queries is None else queries)
        q, k = split_heads(q, self.key_dim), split_heads(self.key(z), self.key_dim)
        if self.qk_norm:
            q, k = self.query_norm(q), self.key_norm(k)
        if self.rotary is not None:
            q, k = self.rotary(q), self.rotary(k)
        k = repeated_heads(k, self.queries_per_key)
        return q * (1 / math.sqrt(self.key_dim)), k

    @property
    def _biases(self) -> list[Any]:
        return [one for one in (self.relative, self.relative_bias) if one is not None]

    @property
    def _precise(self) -> str:
        return keras.backend.result_type(self.compute_dtype, "float32")

    def _log(self, sizes: Tensor) -> Tensor:
        return ops.log(ops.cast(sizes, self._precise))

    def call(
        self,
        z: Tensor,
        queries: Tensor | None = None,
        sizes: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        return self.call_with_keys(z, queries, sizes, training)[0]

    def call_with_keys(
        self,
        z: Tensor,
        queries: Tensor | None = None,
        sizes: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return what attention returns, and the keys that queries met.

        Of many tokens no more than a block of the probabilities is held: see
        `layers.memory_efficient_attention`.
        """
        looking = z if queries is None else queries
        drops = bool(training and self.dropout.rate)
        if not saves_memory(looking.shape[1], z.shape[1], drops):
            a, k = self.scores_and_keys(z, queries, sizes)
            return self.read(z, a, training=training), k
        q, k = self._queries_and_keys(z, queries)
        x = self._read_in_blocks(
            q,
            k,
            self._values(z),
            biases=self._biases,
            log_sizes=None if sizes is None else self._log(sizes),
            dropout=Dropout.of(self.dropout) if drops else None,
        )
        return self._output(x), k

    def _read_in_blocks(self, q: Tensor, k: Tensor, v: Tensor, **options) -> Tensor:
        """Return what queries read of values by the probabilities, `(B, H, M, d)`."""
        return memory_efficient_attention(q, k, v, **options)

    def read(self, z: Tensor, a: Tensor, training: bool | None = None) -> Tensor:
        """Return what tokens read of z by the probabilities a: Eqs. 7 and 8.

        Called by itself it takes probabilities that are not its own, such as
        `(B, H, M, N)` that a gradient is asked for.
        """
        a = self.dropout(ops.cast(a, self.compute_dtype), training=training)
        return self._output(ops.matmul(a, self._values(z)))  # Eq. 7

    def _values(self, z: Tensor) -> Tensor:
        """Return the values, `(B, H, N, d)`."""
        v = split_heads(self.value(z), self.head_dim)
        return repeated_heads(v, self.queries_per_key)

    def _output(self, x: Tensor) -> Tensor:
        """Return the projection of what heads read, `(B, H, M, d)`: Eq. 8."""
        sa = joined_heads(self._read_by_heads(x), self.num_heads * self.head_dim)
        if self.norm is not None:
            sa = self.norm(sa)
        return self.out(sa)

    def _read_by_heads(self, x: Tensor) -> Tensor:
        """Return what of the heads' values is projected, `(B, H, M, d)`."""
        return x

    def compute_output_shape(
        self,
        z_shape: Shape,
        queries_shape: Shape | None = None,
        sizes_shape: Shape | None = None,
    ) -> Shape:
        return z_shape if queries_shape is None else queries_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "attention_dropout_rate": self.attention_dropout_rate,
            "qk_norm": self.qk_norm,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "position_embedding": self.position_embedding,
            "grid": self.grid,
            "query_projection": self.query_projection,
            "config": self.config.as_dict(),
        }
