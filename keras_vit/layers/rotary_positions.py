"""Positions inside attention: queries and keys turned by their coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_vit.layers.tensors import Shape, Tensor, ops


def rotary_angles(
    height: int, width: int, head_dim: int, temperature: float = 100.0
) -> np.ndarray:
    """Return the angles by which a patch's pairs of features are turned.

    The axial form of arXiv:2403.13298: with K = d / 4 frequencies
    `w_k = temperature^(-k / K)`, the patch of row y and column x has the
    angles `[x w, y w]`.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        head_dim: d, the features of a head, which 4 must divide.
        temperature: 100 for the grids of images, which are short; 10,000 is
            that of text.

    Returns:
        float64, `(height * width, d / 2)`, the grid in row-major order.

    Raises:
        ValueError: if 4 does not divide `head_dim`.

    Example:

    >>> rotary_angles(14, 14, 64).shape
    (196, 32)
    """
    if head_dim % 4:
        raise ValueError(
            "Rotary positions in two dimensions need heads whose features 4 divides. "
            f"Received: {head_dim} features of a head"
        )
    y, x = np.mgrid[:height, :width].reshape(2, -1, 1)
    frequencies = temperature ** -(np.arange(head_dim // 4) / (head_dim // 4))
    return np.concatenate([x * frequencies, y * frequencies], axis=1)


@keras.saving.register_keras_serializable(package="keras_vit")
class RotaryPositions(keras.layers.Layer):
    """Turns queries, or keys, by the coordinates of their patches.

    RoPE (arXiv:2104.09864) over both axes of the grid, see `rotary_angles`.
    Features k and d / 2 + k are the two parts of a complex number, which is
    multiplied by `exp(i angle_k)`. The product of a query and a key then
    depends on their patches' offset (y_q - y_k, x_q - x_k) alone.

    Tokens that are no patches (class and distillation token, registers) stay
    as they are.

    B images, H heads, T tokens, the last h w of which are patches in
    row-major order, d features of a head.

    Args:
        grid: (h, w), the rows and columns of patches.

    Input and output shape: `(B, H, T, d)`.

    Raises:
        ValueError: if 4 does not divide d.

    Example:

    >>> RotaryPositions(grid=(14, 14))(keras.KerasTensor((2, 3, 197, 64))).shape
    (2, 3, 197, 64)
    """

    def __init__(self, grid: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def call(self, q: Tensor) -> Tensor:
        height, width = self.grid
        angles = rotary_angles(height, width, q.shape[-1])
        others = q.shape[2] - len(angles)
        angles = np.pad(angles, ((others, 0), (0, 0)))  # an angle of 0 turns nothing
        cos, sin = (
            ops.convert_to_tensor(f(angles).astype("float32"), q.dtype)
            for f in (np.cos, np.sin)
        )
        a, b = ops.split(q, 2, axis=-1)
        return ops.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)

    def compute_output_shape(self, q_shape: Shape) -> Shape:
        return q_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"grid": self.grid}
