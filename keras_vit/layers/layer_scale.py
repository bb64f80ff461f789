"""LayerScale."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor, ops


@keras.saving.register_keras_serializable(package="keras_vit")
class LayerScale(keras.layers.Layer):
    """Scales each feature of a residual branch by a learned factor.

    From "Going deeper with Image Transformers" (arXiv:2103.17239), section 2.

    Args:
        initial_value: of every factor; the paper's are 1e-1 to 1e-6.

    Input and output shape: `(..., D)`.

    Example:

    >>> LayerScale(initial_value=0.1)(keras.ops.ones((1, 2)))[0, 0].numpy()
    np.float32(0.1)
    """

    def __init__(self, initial_value: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_value = initial_value

    def build(self, z_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.gamma = self.add_weight(
            name="gamma",
            shape=(z_shape[-1],),
            initializer=keras.initializers.Constant(self.initial_value),
        )

    def call(self, z: Tensor) -> Tensor:
        return z * ops.cast(self.gamma, z.dtype)

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"initial_value": self.initial_value}
