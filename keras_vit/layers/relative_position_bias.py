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
        self.num_others = others = count - rows * columns  # tokens that are no patches
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
        return self.rows(self.parameters(), q)

    def parameters(self) -> Tensor:
        """Return the biases by offset, `(offsets, H)`, those of other tokens last.

        These are three where there are such tokens: what they say of patches, what
        patches say of them, and they of themselves.
        """
        biases = self._biases()
        if self.config.form == "mlp" and self.num_others:
            biases = ops.pad(biases, ((0, 3), (0, 0)))
        return biases

    def rows(
        self, parameters: Tensor, q: Tensor, first: Any = 0, first_head: Any = 0
    ) -> Tensor:
        """Return the rows of the bias from `first` on.

        Args:
            parameters: what `parameters` returns.
            q: the queries of R rows, `(B, g, R, d)`, of which the sizes alone are
                read; those past the last one are of no token.
            first: the token of the first row.
            first_head: of the g heads.

        Returns:
            `(1, g, R, T)`.
        """
        num_heads, count = q.shape[1:3]
        if num_heads < parameters.shape[1]:
            of_heads = (parameters.shape[0], num_heads)
            parameters = ops.slice(parameters, (0, first_head), of_heads)
        index = self._index(first, count, parameters.shape[0])
        bias = ops.take(
            parameters,
            index.reshape(-1)
            if isinstance(index, np.ndarray)
            else ops.reshape(index, (-1,)),
            axis=0,
        )
        bias = ops.reshape(bias, (1, count, -1, num_heads))
        return ops.transpose(bias, (0, 3, 1, 2))

    def _index(self, first: Any, count: int, num_biases: int) -> Any:
        """Which of the biases each pair of tokens has, `(R, T)`, int32.

        By the first row's number it is a constant, by a tensor it is computed.
        """
        (height, width), others = self.grid, self.num_others
        y, x = np.mgrid[:height, :width].reshape(2, -1)
        codes = y * (2 * width - 1) + x  # whose differences are those of offsets
        codes = np.pad(codes, (others, 0)).astype("int32")
        is_other = np.arange(codes.size) < others
        if isinstance(first, int):
            of_rows = codes[first : first + count], is_other[first : first + count]
            where = np.where
        else:
            of_rows = [
                ops.slice(np.pad(array, (0, count)), (first,), (count,))
                for array in (codes, is_other)
            ]
            where = ops.where
        rows, row_is_other = (one[:, None] for one in of_rows)
        index = rows - codes + codes[-1]
        for_others = where(is_other, num_biases - 2, index)
        by_others = where(is_other, num_biases - 1, num_biases - 3)
        return where(row_is_other, by_others, for_others)

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
