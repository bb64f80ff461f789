"""Some of the tokens of a sequence, as layers, which every file format knows."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_vit")
class TakeToken(keras.layers.Layer):
    """Takes one token of a sequence, such as the class token.

    B images, N tokens, D features of a token.

    Args:
        index: the token's place, from 0.

    Input shape: `(B, N, D)`.
    Output shape: `(B, D)`.

    Example:

    >>> TakeToken(0)(keras.KerasTensor((2, 197, 192))).shape
    (2, 192)
    """

    def __init__(self, index: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.index = index

    def call(self, z: Tensor) -> Tensor:
        return z[:, self.index]

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape[0], z_shape[-1]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"index": self.index}


@keras.saving.register_keras_serializable(package="keras_vit")
class TakePatches(keras.layers.Layer):
    """Takes the patches of a sequence, without the tokens before them.

    B images, T tokens, D features of a token, the last N of which are patches.

    Args:
        num_other_tokens: T - N: class and distillation token, registers.

    Input shape: `(B, T, D)`.
    Output shape: `(B, N, D)`.

    Example:

    >>> TakePatches(num_other_tokens=1)(keras.KerasTensor((2, 197, 192))).shape
    (2, 196, 192)
    """

    def __init__(self, num_other_tokens: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_other_tokens = num_other_tokens

    def call(self, z: Tensor) -> Tensor:
        return z[:, self.num_other_tokens :]

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        batch, count, width = z_shape
        return batch, count - self.num_other_tokens, width

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_other_tokens": self.num_other_tokens}


@keras.saving.register_keras_serializable(package="keras_vit")
class TakePrefix(keras.layers.Layer):
    """Takes the tokens of a sequence that stand before the patches.

    B images, T tokens, D features of a token.

    Args:
        num_tokens: class and distillation token, registers.

    Input shape: `(B, T, D)`.
    Output shape: `(B, num_tokens, D)`.

    Example:

    >>> TakePrefix(num_tokens=5)(keras.KerasTensor((2, 201, 192))).shape
    (2, 5, 192)
    """

    def __init__(self, num_tokens: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_tokens = num_tokens

    def call(self, z: Tensor) -> Tensor:
        return z[:, : self.num_tokens]

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape[0], self.num_tokens, z_shape[-1]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_tokens": self.num_tokens}
