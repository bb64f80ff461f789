"""One layer of the Transformer encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_vit.layers.attention import MultiHeadSelfAttention
from keras_vit.layers.layer_scale import LayerScale
from keras_vit.layers.mlp import MLP
from keras_vit.layers.quantized import Composite
from keras_vit.layers.stochastic_depth import StochasticDepth
from keras_vit.layers.tensors import Shape, Tensor, ops
from keras_vit.layers.token_merging import merge, num_merged


@keras.saving.register_keras_serializable(package="keras_vit")
class TransformerBlock(Composite):
    """Attention, then MLP, each on a residual branch behind a norm.

    Eqs. 2 and 3 of the ViT paper (arXiv:2010.11929).

    Args:
        num_heads: attention heads, which must divide the width of a token.
        mlp_dim: features inside the MLP.
        activation: of the MLP, `"gelu_tanh"` or `"gelu_erf"`.
        dropout_rate: after the attention's output, and twice in the MLP.
        attention_dropout_rate: of the attention probabilities.
        drop_path_rate: the probability that a branch is dropped for an image.
        layer_scale: the initial value of LayerScale; `None`: no LayerScale.
        qk_norm: whether queries and keys are normalised.
        layer_norm_epsilon: of every normalisation in the block.
        remat: whether training keeps the block's input alone and computes the
            rest again for the gradient, with the same dropout masks: less
            memory for more time. On the TensorFlow backend.
        position_embedding: of the attention, `"relative"`, `"rope_2d"` or
            `"none"`.
        grid: (rows, columns) of patches, which those two need.
        token_merging: r, how many tokens fewer leave the block than enter it,
            by `layers.token_merging.merge` between attention and MLP
            (arXiv:2210.09461).
        num_protected: the first tokens, which are no patches and not merged.

    Call arguments:
        z: the tokens, `(B, N, D)`.
        sizes: how many patches each stands for, int32 `(B, N)`, as a block
            that merges gives them; by default 1.
        training: whether dropout is active.

    Output shape: `(B, N, D)`; where tokens are merged, `(B, N - r, D)`, and
    their sizes `(B, N - r)`.

    Example:

    >>> block = TransformerBlock(num_heads=3, mlp_dim=768)
    >>> block(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        activation: str = "gelu_tanh",
        dropout_rate: float = 0.0,
        attention_dropout_rate: float = 0.0,
        *,
        drop_path_rate: float = 0.0,
        layer_scale: float | None = None,
        qk_norm: bool = False,
        layer_norm_epsilon: float = 1e-6,
        remat: bool = False,
        position_embedding: str = "none",
        grid: Sequence[int] | None = None,
        token_merging: int = 0,
        num_protected: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.activation = activation
        self.dropout_rate = dropout_rate
        self.attention_dropout_rate = attention_dropout_rate
        self.drop_path_rate = drop_path_rate
        self.layer_scale = layer_scale
        self.qk_norm = qk_norm
        self.layer_norm_epsilon = layer_norm_epsilon
        self.remat = remat
        self.position_embedding = position_embedding
        self.grid = grid and tuple(grid)
        self.token_merging = token_merging
        self.num_protected = num_protected

        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        norm = {"epsilon": layer_norm_epsilon, **policy}
        self.norm1 = keras.layers.LayerNormalization(name="norm1", **norm)
        self.attention = MultiHeadSelfAttention(
            num_heads,
            attention_dropout_rate=attention_dropout_rate,
            qk_norm=qk_norm,
            layer_norm_epsilon=layer_norm_epsilon,
            position_embedding=position_embedding,
            grid=grid,
            name="attention",
            **policy,
        )
        self.dropout = keras.layers.Dropout(dropout_rate, name="dropout", **policy)
        self.norm2 = keras.layers.LayerNormalization(name="norm2", **norm)
        self.mlp = MLP(mlp_dim, activation, dropout_rate, name="mlp", **policy)
        self.scale1 = self.scale2 = None
        if layer_scale is not None:
            self.scale1 = LayerScale(layer_scale, name="scale1", **policy)
            self.scale2 = LayerScale(layer_scale, name="scale2", **policy)
        self.drop_path = StochasticDepth(drop_path_rate, name="drop_path", **policy)

    def build(self, z_shape: Shape, sizes_shape: Shape | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        parts = [self.norm1, self.attention, self.norm2, self.mlp, self.drop_path]
        parts += [scale for scale in (self.scale1, self.scale2) if scale]
        for part in parts:
            self._build_part(part, z_shape)

    def call(
        self, z: Tensor, sizes: Tensor | None = None, training: bool | None = None
    ) -> Any:
        given = (z,) if sizes is None else (z, sizes)
        if self.remat and training:
            return self._recomputed(*given)
        return self._computed(*given, training=training)

    def _computed(
        self, z: Tensor, sizes: Tensor | None = None, training: bool | None = None
    ) -> Any:
        if self.token_merging:
            return self._merged(z, sizes, training)
        y = self.attention(self.norm1(z), sizes=sizes, training=training)
        return self._added(z, y, training)

    def _merged(
        self, z: Tensor, sizes: Tensor, training: bool | None
    ) -> tuple[Tensor, Tensor]:
        x = self.norm1(z)
        a, k = self.attention.scores_and_keys(x, sizes=sizes)
        z = self._attended(z, self.attention.read(x, a, training), training)
        if sizes is None:
            sizes = ops.ones_like(z[..., 0], dtype="int32")
        k = ops.mean(k, axis=1)  # over heads
        z, sizes = merge(z, sizes, k, self.token_merging, self.num_protected)
        return self._fed_forward(z, training), sizes

    def _added(self, z: Tensor, y: Tensor, training: bool | None) -> Tensor:
        """Return what follows from z and what attention read of it, y."""
        return self._fed_forward(self._attended(z, y, training), training)

    def _attended(self, z: Tensor, y: Tensor, training: bool | None) -> Tensor:
        y = self.dropout(y, training=training)
        return z + self._branch(y, self.scale1, training)  # Eq. 2

    def _fed_forward(self, z: Tensor, training: bool | None) -> Tensor:
        y = self.mlp(self.norm2(z), training=training)
        return z + self._branch(y, self.scale2, training)  # Eq. 3

    def _branch(self, y: Tensor, scale: Any, training: bool | None) -> Tensor:
        return self.drop_path(y if scale is None else scale(y), training=training)

    def _recomputed(self, *given: Tensor) -> Any:
        generators = self._generators_of_masks()
        seeds = [generator.state.value + 0 for generator in generators]

        def compute(*values):
            for generator, seed in zip(generators, values[len(given) :], strict=True):
                generator.state.assign(seed)  # the same draws the second time
            return self._computed(*values[: len(given)], training=True)

        return keras.remat(compute)(*given, *seeds)

    def _generators_of_masks(self) -> list[Any]:
        drawing = self.attention.dropout, self.dropout, self.mlp.dropout, self.drop_path
        return [layer.seed_generator for layer in drawing if layer.rate]

    def scores(self, z: Tensor) -> Tensor:
        """Return the attention probabilities for the input z: `(B, H, N, N)`."""
        return self.attention.scores(self.norm1(z))

    def given(self, z: Tensor, a: Tensor) -> Tensor:
        """Return the block's output if its attention reads by a, `(B, H, N, N)`.

        With `scores(z)` for a that is what the block gives for z, dropout
        aside.
        """
        y = self.attention.read(self.norm1(z), a, training=False)
        return self._added(z, y, training=False)

    def compute_output_shape(
        self, z_shape: Shape, sizes_shape: Shape | None = None
    ) -> Shape:
        if not self.token_merging:
            return z_shape
        batch, count, width = z_shape
        count -= num_merged(count, self.num_protected, self.token_merging)
        return (batch, count, width), (batch, count)

    def compute_output_spec(
        self, z: Tensor, sizes: Tensor | None = None, training: bool | None = None
    ) -> Any:
        shape = self.compute_output_shape(z.shape)
        if not self.token_merging:
            return keras.KerasTensor(shape, self.compute_dtype)
        return tuple(map(keras.KerasTensor, shape, (self.compute_dtype, "int32")))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "attention_dropout_rate": self.attention_dropout_rate,
            "drop_path_rate": self.drop_path_rate,
            "layer_scale": self.layer_scale,
            "qk_norm": self.qk_norm,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "remat": self.remat,
            "position_embedding": self.position_embedding,
            "grid": self.grid,
            "token_merging": self.token_merging,
            "num_protected": self.num_protected,
        }
