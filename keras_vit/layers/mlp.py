"""The MLP of a block, and the activation in it."""

from __future__ import annotations

import math
from typing import Any

import keras

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


ACTIVATIONS = {"gelu_tanh": _gelu_tanh, "gelu_erf": _gelu_erf}


@keras.saving.register_keras_serializable(package="keras_vit")
class MLP(Composite):
    """Two dense layers with a GELU between them, applied to each token.

    Dropout follows each of the two, as in the ViT paper. Initialised as its
    models were: Xavier uniform kernels, biases of N(0, 1e-6).

    Args:
        mlp_dim: features between the two layers.
        activation: `"gelu_tanh"` or `"gelu_erf"`.
        dropout_rate: after the activation and after the second layer.

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
        self.dropout = keras.layers.Dropout(
            dropout_rate, name="dropout", dtype=self.dtype_policy
        )

    def build(self, z_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        width = z_shape[-1]
        self.fc1 = self._dense(self.mlp_dim, "fc1")
        self._build_part(self.fc1, z_shape)
        self.fc2 = self._dense(width, "fc2")
        self._build_part(self.fc2, (*z_shape[:-1], self.mlp_dim))

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        bias: Any = keras.initializers.RandomNormal(stddev=1e-6)
        return keras.layers.Dense(
            units,
            kernel_initializer="glorot_uniform",
            bias_initializer=bias,
            name=name,
            dtype=self.dtype_policy,
        )

    def call(self, z: Tensor, training: bool | None = None) -> Tensor:
        z = ACTIVATIONS[self.activation](self.fc1(z))
        z = self.fc2(self.dropout(z, training=training))
        return self.dropout(z, training=training)

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "mlp_dim": self.mlp_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
        }
