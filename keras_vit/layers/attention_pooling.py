"""Pooling by attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_vit.layers.attention import MultiHeadSelfAttention
from keras_vit.layers.block_config import BlockConfig
from keras_vit.layers.config import as_dict
from keras_vit.layers.mlp import MLP
from keras_vit.layers.pooling_config import PoolingConfig
from keras_vit.layers.quantized import Composite
from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class AttentionPooling(Composite):
    """Pools tokens by one learned query that attends to them, then an MLP.

    The "MAP" head of "Scaling Vision Transformers" (arXiv:2106.04560), in
    big_vision's form: no residual around the attention, one around the MLP.

    B images, N tokens, D features of a token.

    Args:
        num_heads: attention heads, which must divide D.
        mlp_dim: features inside the MLP.
        activation: of the MLP, `"gelu_tanh"` or `"gelu_erf"`.
        layer_norm_epsilon: of the norm before the MLP.
        config: a `PoolingConfig` of the kind `"map"`, or its fields by name, whose
            choices of projections, biases and MLP are the pooling's; `None`: the
            defaults.

    Call arguments:
        z: the tokens, `(B, N, D)`.
        sizes: how many patches each stands for, `(B, M)`, of which the last N
            are theirs; by default 1.

    Output shape: `(B, D)`.

    Example:

    >>> pooling = AttentionPooling(num_heads=3, mlp_dim=768)
    >>> pooling(keras.KerasTensor((2, 197, 192))).shape
    (2, 192)
    """

    def __init__(
        self,
        num_heads: int,
        mlp_dim: int,
        activation: str = "gelu_tanh",
        layer_norm_epsilon: float = 1e-6,
        config: PoolingConfig | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.config = PoolingConfig.of(config or "map")
        policy: dict[str, Any] = {"dtype": self.dtype_policy}
        self.attention = MultiHeadSelfAttention(
            num_heads,
            query_projection=self.config.query_projection,
            config=BlockConfig(qkv_bias="all" if self.config.qkv_bias else "none"),
            name="attention",
            **policy,
        )
        self.norm: Any = None
        self.mlp: Any = None
        if self.config.mlp:
            self.norm = keras.layers.LayerNormalization(
                epsilon=layer_norm_epsilon, name="norm", **policy
            )
            self.mlp = MLP(mlp_dim, activation, name="mlp", **policy)

    def build(self, z_shape: Shape, sizes_shape: Shape | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.probe = self.add_weight(
            name="probe", shape=(1, 1, z_shape[-1]), initializer="glorot_uniform"
        )
        for part in filter(None, (self.attention, self.norm, self.mlp)):
            self._build_part(part, z_shape)

    def call(self, z: Tensor, sizes: Tensor | None = None) -> Tensor:
        if sizes is not None:
            sizes = sizes[:, -z.shape[1] :]
        return self._pooled(self.attention(z, queries=self._probes(z), sizes=sizes))

    def _pooled(self, y: Tensor) -> Tensor:
        """Return (B, 1, D) as (B, D)."""
        if self.mlp is not None:
            y = y + self.mlp(self.norm(y))
        return y[:, 0]

    def scores(self, z: Tensor) -> Tensor:
        """Return how much of each token is read: `(B, num_heads, 1, N)`."""
        return self.attention.scores(z, queries=self._probes(z))

    def given(self, z: Tensor, a: Tensor) -> Tensor:
        """Return what the pooling gives if it reads z by a, `(B, num_heads, 1, N)`."""
        return self._pooled(self.attention.read(z, a, training=False))

    def _probes(self, z: Tensor) -> Tensor:
        probe = ops.cast(self.probe, z.dtype)
        return ops.broadcast_to(probe, (ops.shape(z)[0], 1, z.shape[-1]))

    def compute_output_shape(
        self, z_shape: Shape, sizes_shape: Shape | None = None
    ) -> Shape:
        return z_shape[0], z_shape[-1]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "config": {"kind": "map"} | as_dict(self.config),
        }
