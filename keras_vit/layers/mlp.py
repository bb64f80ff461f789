"""The MLP of a block, and the activation in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from keras_vit.layers.block_config import BlockConfig
from keras_vit.layers.gradients import (
    elementwise,
    gelu_erf_slope,
    gelu_tanh_slope,
)
from keras_vit.layers.graph_format import graph_format
from keras_vit.layers.normalization import normalization
from keras_vit.layers.quantized import Composite
from keras_vit.layers.tensors import Shape, Tensor, ops


def _gelu_tanh(x: Tensor) -> Tensor:
    """`x Phi(x)` by the tanh formula of arXiv:1606.08415, as Google's models."""
    return keras.activations.gelu(x, approximate=True)


def _gelu_erf(x: Tensor) -> Tensor:
    """`x Phi(x)` exactly, as timm's and Hugging Face's models.

    Spelled with erf and not by `keras.activations.gelu`: TensorFlow makes an
    erfc of that one, of which ONNX export writes an invalid file.
    """
    return 0.5 * x * (1.0 + ops.erf(x * (1 / math.sqrt(2))))


def _gelu_quick(x: Tensor) -> Tensor:
    """`x sigmoid(1.702 x)`, an approximation of GELU, as OpenAI's CLIP."""
    return x * ops.sigmoid(1.702 * x)


ACTIVATIONS = {
    "gelu_tanh": _gelu_tanh,
    "gelu_erf": _gelu_erf,
    "gelu_quick": _gelu_quick,
    "silu": keras.activations.silu,
}
IN_TRAINING = ACTIVATIONS | {  # the same functions, of which a gradient keeps less
    "gelu_tanh": elementwise(_gelu_tanh, gelu_tanh_slope),
    "gelu_erf": elementwise(_gelu_erf, gelu_erf_slope),
}


@keras.saving.register_keras_serializable(package="keras_vit")
class MLP(Composite):
    """Two dense layers with an activation between them, applied to each token.

    Dropout follows each of the two, as in the ViT paper. Initialised as its
    models were: Xavier uniform kernels, biases of N(0, 1e-6).

    Where it is gated (arXiv:2002.05202), a third layer stands beside the first;
    the activation is that of the third, and the second reads its product with the
    first.

    Args:
        mlp_dim: features between the layers.
        activation: a key of `ACTIVATIONS`: `"gelu_tanh"`, `"gelu_erf"`,
            `"gelu_quick"` or `"silu"`.
        dropout_rate: after the activation and after the last layer.
        layer_norm_epsilon: of the norm inside, where there is one.
        config: a `BlockConfig`, or its fields by name, whose choices of gate,
            biases and norm are the MLP's; `None`: the defaults.

    Input and output shape: `(B, N, D)`.

    Raises:
        ValueError: for an activation that there is not.

    Example:

    >>> MLP(mlp_dim=768)(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    def __init__(
        self,
        mlp_dim: int,
        activation: str = "gelu_tanh",
        dropout_rate: float = 0.0,
        *,
        layer_norm_epsilon: float = 1e-6,
        config: BlockConfig | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}. "
                f"Received: activation={activation!r}"
            )
        self.mlp_dim = mlp_dim
        self.activation = activation
        self.dropout_rate = dropout_rate
        self.layer_norm_epsilon = layer_norm_epsilon
        self.config = BlockConfig.of(config)
        self.dropout = keras.layers.Dropout(
            dropout_rate, name="dropout", dtype=self.dtype_policy
        )

    def build(self, z_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        width, inner_shape = z_shape[-1], (*z_shape[:-1], self.mlp_dim)
        self.gate: Any = None
        if self.config.mlp == "gated":
            self.gate = self._dense(self.mlp_dim, "gate")
            self._build_part(self.gate, z_shape)
        self.fc1 = self._dense(self.mlp_dim, "fc1")
        self._build_part(self.fc1, z_shape)
        self.norm: Any = None
        if self.config.mlp_norm:
            self.norm = normalization(
                self.config.norm,
                self.layer_norm_epsilon,
                name="norm",
                dtype=self.dtype_policy,
            )
            self.norm.build(inner_shape)
        self.fc2 = self._dense(width, "fc2")
        self._build_part(self.fc2, inner_shape)

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        bias: Any = keras.initializers.RandomNormal(stddev=1e-6)
        return keras.layers.Dense(
            units,
            use_bias=self.config.use_bias,
            kernel_initializer="glorot_uniform",
            bias_initializer=bias,
            name=name,
            dtype=self.dtype_policy,
        )

    def call(self, z: Tensor, training: bool | None = None) -> Tensor:
        activation = (IN_TRAINING if training else ACTIVATIONS)[self.activation]
        activation = graph_format().operations.get(self.activation, activation)
        if self.gate is None:
            z = activation(self.fc1(z))
        else:
            z = activation(self.gate(z)) * self.fc1(z)
        z = self.dropout(z, training=training)
        if self.norm is not None:
            z = self.norm(z)
        return self.dropout(self.fc2(z), training=training)

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "mlp_dim": self.mlp_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "config": self.config.as_dict(),
        }
