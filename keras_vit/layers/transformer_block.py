"""One layer of the Transformer encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_vit.layers.block_config import BlockConfig
from keras_vit.layers.differential_attention import attention_of
from keras_vit.layers.layer_scale import LayerScale
from keras_vit.layers.mlp import MLP
from keras_vit.layers.normalization import normalization
from keras_vit.layers.quantized import Composite
from keras_vit.layers.stochastic_depth import StochasticDepth
from keras_vit.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_vit")
class TransformerBlock(Composite):
    """Attention, then an MLP, each on a residual branch with a norm.

    Eqs. 2 and 3 of the ViT paper (arXiv:2010.11929).

    Args:
        num_heads: attention heads, which must divide the width of a token.
        mlp_dim: features inside the MLP.
        activation: of the MLP, a key of `layers.mlp.ACTIVATIONS`.
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
        grid: (rows, columns) of patches, which positions inside attention need.
        config: what else the block is made of, a `BlockConfig` or its fields by
            name; `None`: the paper's choices.
        index: of the block in its encoder, counted from 0, which differential
            attention depends on.

    Call arguments:
        z: the tokens, `(B, N, D)`.
        training: whether dropout is active.

    Output shape: `(B, N, D)`.

    Example:

    >>> block = TransformerBlock(num_heads=3, mlp_dim=768)
    >>> block(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    layouts = ("pre_norm", "res_post_norm")
    has_second_branch = True
    is_branched = False

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
        config: BlockConfig | Mapping[str, Any] | None = None,
        index: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = BlockConfig.of(config)
        if self.config.layout not in self.layouts:
            raise ValueError(
                f"{type(self).__name__} has the layout {' or '.join(self.layouts)}. "
                f"Received: layout={self.config.layout!r}"
            )
        if self.is_branched != (self.config.num_branches > 1):
            raise ValueError(
                f"{type(self).__name__} has num_branches"
                f"{' > 1' if self.is_branched else '=1'}. "
                f"Received: num_branches={self.config.num_branches}"
            )
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
        self.index = index

        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        self.norm1 = self._norm("norm1")
        self.attention = attention_of(
            self.config,
            index,
            num_heads=num_heads,
            attention_dropout_rate=attention_dropout_rate,
            qk_norm=qk_norm,
            layer_norm_epsilon=layer_norm_epsilon,
            position_embedding=position_embedding,
            grid=grid,
            name="attention",
            **policy,
        )
        self.dropout = keras.layers.Dropout(dropout_rate, name="dropout", **policy)
        self.norm2: Any = self._norm("norm2") if self.has_second_branch else None
        self.mlp = MLP(
            mlp_dim,
            activation,
            dropout_rate,
            layer_norm_epsilon=layer_norm_epsilon,
            config=self.config,
            name="mlp",
            **policy,
        )
        self.scale1 = self.scale2 = None
        if layer_scale is not None:
            self.scale1 = LayerScale(layer_scale, name="scale1", **policy)
        scales_mlp = self.has_second_branch and self.config.mlp_layer_scale
        if layer_scale is not None and scales_mlp:
            self.scale2 = LayerScale(layer_scale, name="scale2", **policy)
        self.drop_path = StochasticDepth(drop_path_rate, name="drop_path", **policy)

    def _norm(self, name: str) -> Any:
        return normalization(
            self.config.norm,
            self.layer_norm_epsilon,
            name=name,
            dtype=self.dtype_policy,
        )

    def build(self, z_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        parts = [self.norm1, self.attention, self.norm2, self.mlp, self.drop_path]
        parts += [self.scale1, self.scale2]
        for part in filter(None, parts):
            self._build_part(part, z_shape)

    def call(self, z: Tensor, training: bool | None = None) -> Tensor:
        if self.remat and training:
            return self._recomputed(z)
        return self._computed(z, training=training)

    def _computed(self, z: Tensor, training: bool | None = None) -> Tensor:
        z = z + self.attended(z, training=training)  # Eq. 2
        return z + self.fed_forward(z, training=training)  # Eq. 3

    def attended(self, z: Tensor, training: bool | None = None) -> Tensor:
        """Return what the branch of attention adds to the tokens, `(B, N, D)`."""
        y = self.attention(self.attention_input(z), training=training)
        return self._attention_branch(y, training)

    def fed_forward(self, z: Tensor, training: bool | None = None) -> Tensor:
        """Return what the branch of the MLP adds to the tokens, `(B, N, D)`."""
        if self._norm_first:
            z = self.norm2(z)
        y = self.mlp(z, training=training)
        return self._branch(y, self.norm2, self.scale2, training)

    @property
    def _norm_first(self) -> bool:
        return self.config.layout != "res_post_norm"

    def attention_input(self, z: Tensor) -> Tensor:
        """Return what attention reads of the block's input, `(B, N, D)`."""
        return self.norm1(z) if self._norm_first else z

    def _attention_branch(self, y: Tensor, training: bool | None) -> Tensor:
        y = self.dropout(y, training=training)
        return self._branch(y, self.norm1, self.scale1, training)

    def _branch(
        self, y: Tensor, norm: Any, scale: Any, training: bool | None
    ) -> Tensor:
        """Return the end of a residual branch."""
        if not self._norm_first:
            y = norm(y)
        if scale is not None:
            y = scale(y)
        return self.drop_path(y, training=training)

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
        return self.attention.scores(self.attention_input(z))

    def given(self, z: Tensor, a: Tensor) -> Tensor:
        """Return the block's output if its attention reads by a, `(B, H, N, N)`.

        With `scores(z)` for a that is what the block gives for z, dropout
        aside.
        """
        y = self.attention.read(self.attention_input(z), a, training=False)
        z = z + self._attention_branch(y, training=False)
        return z + self.fed_forward(z, training=False)

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape

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
            "config": self.config.as_dict(),
            "index": self.index,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the block of a config; earlier versions' blocks merged tokens."""
        config = dict(config)
        merged, protected = (config.pop(name, 0) for name in MERGING)
        if merged:
            from keras_vit.layers.merging_block import EarlierMergingBlock

            merging = dict(zip(MERGING, (merged, protected), strict=True))
            return EarlierMergingBlock.from_config(config | merging)
        return super().from_config(config)


MERGING = ("token_merging", "num_protected")  # of `MergingBlock`
