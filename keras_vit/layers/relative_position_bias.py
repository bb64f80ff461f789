"""Positions inside attention: a bias of its logits for each offset of two patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_vit.layers.config import as_dict, check_choices, config_of
from keras_vit.layers.quantized import Composite
from keras_vit.layers.tensors import Shape, Tensor, ops

CHOICES = {"form": ("table", "mlp")}


@dataclass(frozen=True, kw_only=True)
class RelativeBiasConfig:
    """How offsets become biases.

    Attributes:
        form: `"table"`: a learned bias for each offset and head (BEiT,
            arXiv:2106.08254). `"mlp"`: a small network of the offset, on a
            logarithmic scale (Swin V2, arXiv:2111.09883).
        hidden_dim: features inside that network.

    Raises:
        ValueError: for a form that there is not.
    """

    form: str = "table"
    hidden_dim: int = 128

    def __post_init__(self) -> None:
        check_choices(self, CHOICES, "relative biases")


def offset_index(height: int, width: int) -> np.ndarray:
    """Return which offset each pair of patches has.

    Args:
        height: h, rows of the grid.
        width: w, columns of the grid.

    Returns:
        `(h w, h w)`, of queries and keys in row-major order: the place of
        `(y_q - y_k, x_q - x_k)` among all `(2 h - 1) (2 w - 1)` offsets, the
        most negative first, in row-major order too.

    Example:

    >>> offset_index(1, 3)[0].tolist()
    [2, 1, 0]
    """
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    rows = y[:, None] - y + height - 1
    columns = x[:, None] - x + width - 1
    return rows * (2 * width - 1) + columns


@keras.saving.register_keras_serializable(package="keras_vit")
class RelativePositionBias(Composite):
    """A bias of attention's logits for each offset between two patches, by head.

    As a table it also holds, where there is a first token that is no patch,
    what it says of patches, what patches say of it, and it of itself. As a
    network it knows patches alone, and other tokens have biases of 0.

    H heads, T tokens, the last h w of which are patches in row-major order.

    Args:
        grid: (h, w), the rows and columns of patches.
        config: a `RelativeBiasConfig`, or its fields by name; `None`: the
            defaults.

    Input shape: `(B, H, T, d)`, queries, of which the sizes alone are read.
    Output shape: `(1, H, T, T)`.

    Raises:
        ValueError: for a table and more than one token that is no patch.

    Example:

    >>> bias = RelativePositionBias(grid=(14, 14))
    >>> bias(keras.KerasTensor((2, 3, 197, 64))).shape
    (1, 3, 197, 197)
    """

    def __init__(
        self,
        grid: Sequence[int],
        config: RelativeBiasConfig | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)
        if not isinstance(config, RelativeBiasConfig):
            config = config_of(RelativeBiasConfig, config or {}, "relative biases")
        self.config = config

    def build(self, q_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, columns = self.grid
        _, num_heads, count, _ = q_shape
        others = count - rows * columns
        normal = keras.initializers.RandomNormal(stddev=0.02)
        if self.config.form == "table":
            if others > 1:
                raise ValueError(
                    "A table of relative biases has one token before the patches at "
                    f"most. Received: {others} tokens that are no patches"
                )
            offsets = (2 * rows - 1) * (2 * columns - 1)
            self.table = self.add_weight(
                name="table",
                shape=(offsets + 3 * others, num_heads),
                initializer=normal,
            )
            return
        self.fc1 = keras.layers.Dense(
            self.config.hidden_dim, "relu", name="fc1", dtype=self.dtype_policy
        )
        self._build_part(self.fc1, (None, 2))
        self.fc2 = keras.layers.Dense(num_heads, name="fc2", dtype=self.dtype_policy)
        self._build_part(self.fc2, (None, self.config.hidden_dim))

    def call(self, q: Tensor) -> Tensor:
        rows, columns = self.grid
        others = q.shape[2] - rows * columns
        index = offset_index(rows, columns)
        biases = self._biases()
        if self.config.form == "table":
            if others:
                index = _with_first_token(index, biases.shape[0])
            return self._by_pair(biases, index)
        bias = self._by_pair(biases, index)
        return ops.pad(bias, ((0, 0), (0, 0), (others, 0), (others, 0)))

    def by_offset(self) -> np.ndarray:
        """Return the bias of each offset between two patches.

        Returns:
            float32 `(H, 2 h - 1, 2 w - 1)`, of the offsets (y_q - y_k, x_q - x_k),
            the most negative first.
        """
        rows, columns = (2 * side - 1 for side in self.grid)
        biases = ops.convert_to_numpy(ops.cast(self._biases(), "float32"))
        return biases[: rows * columns].T.reshape(-1, rows, columns)

    def _biases(self) -> Tensor:
        """Return the biases by offset, `(offsets, H)`; a table's other rows after."""
        if self.config.form == "table":
            return ops.cast(self.table, self.compute_dtype)
        return self.fc2(self.fc1(ops.cast(self._log_offsets(), self.compute_dtype)))

    def _by_pair(self, biases: Tensor, index: np.ndarray) -> Tensor:
        """Return `(offsets, H)` as `(1, H, T, T)`."""
        bias = ops.take(biases, index.reshape(-1).astype("int32"), axis=0)
        bias = ops.reshape(bias, (1, *index.shape, biases.shape[-1]))
        return ops.transpose(bias, (0, 3, 1, 2))

    def _log_offsets(self) -> np.ndarray:
        """Return `sign(o) log(1 + |o|)` of all offsets, `((2h-1) (2w-1), 2)`."""
        rows, columns = self.grid
        offsets = np.mgrid[1 - rows : rows, 1 - columns : columns].reshape(2, -1).T
        return (np.sign(offsets) * np.log1p(np.abs(offsets))).astype("float32")

    def compute_output_shape(self, q_shape: Shape) -> Shape:
        return (1, q_shape[1], q_shape[2], q_shape[2])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "grid": self.grid,
            "config": as_dict(self.config),
        }


def _with_first_token(index: np.ndarray, num_biases: int) -> np.ndarray:
    """Index of the grid -> with the token before it, whose biases are the last 3."""
    index = np.pad(index, ((1, 0), (1, 0)))
    index[0, :], index[1:, 0] = num_biases - 3, num_biases - 2
    index[0, 0] = num_biases - 1
    return index
