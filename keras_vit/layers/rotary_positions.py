"""Positions inside attention: queries and keys turned by their coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_vit.layers.config import as_dict, check_choices, config_of
from keras_vit.layers.tensors import Shape, Tensor, ops

CHOICES = {  # a field: its values
    "frequencies": ("axial", "learned"),
    "coordinates": ("index", "centered"),
    "axes": ("xy", "yx"),
    "pairs": ("halves", "neighbours"),
}


@dataclass(frozen=True, kw_only=True)
class RotaryConfig:
    """What rotary positions turn, and how far. The defaults are `"rope_2d"`'s.

    A head has d features, in d / 2 pairs; a pair is turned by an angle that
    depends on the patch's row y and column x.

    Attributes:
        frequencies: `"axial"`: `w_k = temperature^(-k / (d / 4))`, half of the
            pairs turned by `x w`, half by `y w`. `"learned"`: each pair of each
            head has two frequencies of its own and is turned by
            `x w_x + y w_y` ("mixed", arXiv:2403.13298).
        temperature: 100 for the grids of images, which are short; 10,000 is
            that of text, and of EVA-02 (arXiv:2303.11331).
        coordinates: `"index"`: of row i, `i + offset`. `"centered"`: the middles
            of the patches on [-1, 1], times 2 pi (DINOv3, arXiv:2508.10104).
        offset: what is added to the index.
        reference_grid: (rows, columns) onto which the indices are stretched,
            as for a model that was pre-trained at that grid; `None`: the grid's
            own.
        axes: whose pairs come first, `"xy"` or `"yx"`.
        pairs: which two features are a pair: `"halves"`: k and d / 2 + k.
            `"neighbours"`: 2 k and 2 k + 1.

    Raises:
        ValueError: for a value that there is not, or a reference grid of centered
            coordinates.
    """

    frequencies: str = "axial"
    temperature: float = 100.0
    coordinates: str = "index"
    offset: float = 0.0
    reference_grid: tuple[int, int] | None = None
    axes: str = "xy"
    pairs: str = "halves"

    def __post_init__(self) -> None:
        if self.reference_grid is not None:
            object.__setattr__(self, "reference_grid", tuple(self.reference_grid))
        check_choices(self, CHOICES, "rotary positions")
        if self.coordinates == "centered" and self.reference_grid is not None:
            raise ValueError(
                "reference_grid of rotary positions stretches indices. Expected "
                "coordinates='index' with it. Received: coordinates='centered', "
                f"reference_grid={self.reference_grid}"
            )

    def places(self, height: int, width: int) -> np.ndarray:
        """Return the coordinates of a grid's patches by `axes`: `(h w, 2)`."""
        along = []
        for axis, size in enumerate((height, width)):
            place = np.arange(size) + self.offset
            if self.coordinates == "centered":
                place = 2 * math.pi * (2 * (place + 0.5) / size - 1)
            elif self.reference_grid is not None:
                place = place / size * self.reference_grid[axis]
            along.append(place)
        grid = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 2)
        return grid[:, ::-1] if self.axes == "xy" else grid


def axial_frequencies(head_dim: int, temperature: float) -> np.ndarray:
    """Return `w_k` of `RotaryConfig`, `(d / 4,)`.

    Raises:
        ValueError: if 4 does not divide `head_dim`.
    """
    if head_dim % 4:
        raise ValueError(
            "Rotary positions in two dimensions need heads whose features 4 divides. "
            f"Received: {head_dim} features of a head"
        )
    return temperature ** -(np.arange(head_dim // 4) / (head_dim // 4))


def rotary_angles(
    height: int, width: int, head_dim: int, config: RotaryConfig | None = None
) -> np.ndarray:
    """Return the angles by which a patch's pairs of features are turned.

    The axial form of arXiv:2403.13298: with K = d / 4 frequencies `w_k`, the
    patch of row y and column x has the angles `[x w, y w]`.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        head_dim: d, the features of a head, which 4 must divide.
        config: the frequencies and the coordinates; `None`: the defaults.

    Returns:
        float64, `(height * width, d / 2)`, the grid in row-major order.

    Raises:
        ValueError: if 4 does not divide `head_dim`.

    Example:

    >>> rotary_angles(14, 14, 64).shape
    (196, 32)
    """
    config = config or RotaryConfig()
    frequencies = axial_frequencies(head_dim, config.temperature)
    places = config.places(height, width)[..., None]
    return (places * frequencies).reshape(height * width, -1)


@keras.saving.register_keras_serializable(package="keras_vit")
class RotaryPositions(keras.layers.Layer):
    """Turns queries, or keys, by the coordinates of their patches.

    RoPE (arXiv:2104.09864) over both axes of the grid. The two features of a
    pair are the two parts of a complex number, which is multiplied by
    `exp(i angle)`. The product of a query and a key then depends on their
    patches' offset (y_q - y_k, x_q - x_k) alone.

    Tokens that are no patches (class and distillation token, registers) stay
    as they are.

    B images, H heads, T tokens, the last h w of which are patches in
    row-major order, d features of a head.

    Args:
        grid: (h, w), the rows and columns of patches.
        config: a `RotaryConfig`, or its fields by name; `None`: the defaults.

    Input and output shape: `(B, H, T, d)`.

    Raises:
        ValueError: if 4 does not divide d.

    Example:

    >>> RotaryPositions(grid=(14, 14))(keras.KerasTensor((2, 3, 197, 64))).shape
    (2, 3, 197, 64)
    """

    def __init__(
        self,
        grid: Sequence[int],
        config: RotaryConfig | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)
        if not isinstance(config, RotaryConfig):
            config = config_of(RotaryConfig, config or {}, "rotary positions")
        self.config = config

    def build(self, q_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, num_heads, _, head_dim = q_shape
        self.head_dim = head_dim
        self.frequencies = None
        axial = axial_frequencies(head_dim, self.config.temperature)
        if self.config.frequencies == "learned":
            self.frequencies = self.add_weight(
                name="frequencies",
                shape=(2, num_heads, head_dim // 2),
                initializer=_axial_at_first(axial, num_heads),
            )

    def call(self, q: Tensor) -> Tensor:
        cos, sin = (
            ops.cast(part, self.compute_dtype) for part in self._cos_sin(q.shape[2])
        )
        if self.config.pairs == "halves":
            a, b = ops.split(q, 2, axis=-1)
            return ops.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
        pairs = ops.reshape(q, (-1, *q.shape[1:3], q.shape[3] // 2, 2))
        a, b = pairs[..., 0], pairs[..., 1]
        turned = ops.stack([a * cos - b * sin, a * sin + b * cos], axis=-1)
        return ops.reshape(turned, (-1, *q.shape[1:]))

    def position_vectors(self) -> np.ndarray:
        """Return what turns the patches: the cosines and the sines of the angles.

        Returns:
            `(h, w, d)`, or `(h, w, H d)` where each head learns its frequencies.
        """
        cos, sin = map(ops.convert_to_numpy, self._cos_sin(math.prod(self.grid)))
        vectors = np.concatenate([cos, sin], axis=-1)
        if vectors.ndim == 3:
            vectors = vectors.swapaxes(0, 1)
        return vectors.reshape(*self.grid, -1)

    def _cos_sin(self, count: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the angles of T tokens, `([H,] T, d / 2)`, float32."""
        height, width = self.grid
        others = count - height * width  # an angle of 0 turns nothing
        if self.frequencies is None:
            angles = rotary_angles(height, width, self.head_dim, self.config)
            angles = np.pad(angles, ((others, 0), (0, 0)))
            cos, sin = (f(angles).astype("float32") for f in (np.cos, np.sin))
            return ops.convert_to_tensor(cos), ops.convert_to_tensor(sin)
        places = np.pad(self.config.places(height, width), ((others, 0), (0, 0)))
        places = places.T[:, None, :, None].astype("float32")  # 2, 1, T, 1
        places = ops.convert_to_tensor(places)
        frequencies = ops.cast(self.frequencies, "float32")[:, :, None]  # 2, H, 1, d/2
        angles = places[0] * frequencies[0] + places[1] * frequencies[1]
        return ops.cos(angles), ops.sin(angles)

    def compute_output_shape(self, q_shape: Shape) -> Shape:
        return q_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "grid": self.grid,
            "config": as_dict(self.config),
        }


def _axial_at_first(axial: np.ndarray, num_heads: int):
    """An initializer: half of a head's pairs turn by one axis, half by the other."""

    def initialize(shape: Shape, dtype: Any = None) -> Tensor:
        none = np.zeros_like(axial)
        one = np.stack([np.r_[axial, none], np.r_[none, axial]])[:, None]
        return ops.convert_to_tensor(np.tile(one, (1, num_heads, 1)), dtype)

    return initialize
