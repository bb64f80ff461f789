"""Positions that are added to tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_vit.layers.sincos import sincos_2d
from keras_vit.layers.tensors import Shape, Tensor, ops

# Where each kind of positions comes in, its usual place first: the columns of
# Table 8 of the ViT paper.
POSITION_EMBEDDINGS = {
    "learned": ("input", "every_layer", "every_layer_shared"),
    "none": ("input",),
    "sincos_2d": ("input",),
    "learned_2d": ("input", "every_layer", "every_layer_shared"),
    "factorized": ("input", "every_layer", "every_layer_shared"),
    "relative": ("every_layer",),
    "rope_2d": ("every_layer",),
}
# By which rules publishers' code resizes tables: `weights.positions.METHODS`.
POSITION_INTERPOLATIONS = (
    "bilinear",
    "bilinear_antialias",
    "bilinear_half_pixels",
    "bicubic",
    "bicubic_corners",
    "bicubic_antialias",
    "bilinear_square",
    "bilinear_half_pixels_square",
    "bicubic_antialias_square",
)
ADDED = ("learned", "none", "sincos_2d", "learned_2d", "factorized")  # to tokens

LEARNED = ("learned", "learned_2d", "factorized")  # of these, what is no function


def place_of(position_embedding: str, position_embedding_at: str | None = None) -> str:
    """Return where positions of a kind come in; `None`: at their usual place.

    Raises:
        ValueError: for a kind, or a place for it, that there is not.

    Example:

    >>> place_of("learned"), place_of("relative")
    ('input', 'every_layer')
    """
    if position_embedding not in POSITION_EMBEDDINGS:
        raise ValueError(
            f"position_embedding must be one of {', '.join(POSITION_EMBEDDINGS)}. "
            f"Received: position_embedding={position_embedding!r}"
        )
    places = POSITION_EMBEDDINGS[position_embedding]
    if position_embedding_at is None:
        return places[0]
    if position_embedding_at not in places:
        raise ValueError(
            f"position_embedding={position_embedding!r} goes with "
            f"position_embedding_at={' or '.join(map(repr, places))}. "
            f"Received: position_embedding_at={position_embedding_at!r}"
        )
    return position_embedding_at


def add_tables(
    layer: Any, kind: str, grid: Sequence[int], num_first_tokens: int, width: int
) -> list[Any]:
    """Add to a layer the weights of a kind of positions, in the order of `vectors`.

    `"learned"`: `(1, num_first_tokens + h w, D)`. `"learned_2d"`: one vector
    of D / 2 for each column, `(w, D / 2)`, and one for each row, `(h, D / 2)`.
    `"factorized"`: the same of D each.

    Raises:
        ValueError: if D is odd and has to be halved.
    """
    rows, columns = grid
    if kind == "learned_2d" and width % 2:
        raise ValueError(f"learned_2d halves the width of a token. Received: {width}")
    of_axis = width if kind == "factorized" else width // 2
    axes = {
        "position_embedding_x": (columns, of_axis),
        "position_embedding_y": (rows, of_axis),
    }
    shapes = {
        "learned": {
            "position_embedding": (1, num_first_tokens + rows * columns, width)
        },
        "learned_2d": axes,
        "factorized": axes,
    }
    normal = keras.initializers.RandomNormal
    return [
        layer.add_weight(name=name, shape=shape, initializer=normal(stddev=0.02))
        for name, shape in shapes.get(kind, {}).items()
    ]


def vectors(
    kind: str, tables: Sequence[Any], grid: Sequence[int], width: int
) -> Tensor | None:
    """Return the position vectors of a grid's patches, `(h w, D)`, in row-major order.

    `None` for a kind that has none.
    """
    rows, columns = grid
    if kind == "learned":
        return tables[0][0, -rows * columns :]
    if kind == "learned_2d":
        x, y = tables
        return ops.concatenate(
            [ops.tile(x, (rows, 1)), ops.repeat(y, columns, axis=0)], axis=1
        )
    if kind == "factorized":
        x, y = tables
        return ops.reshape(y[:, None] + x, (rows * columns, width))
    return sincos_2d(rows, columns, width) if kind == "sincos_2d" else None


def on_grid(flat: Tensor, grid: Sequence[int]) -> np.ndarray | None:
    """Return `vectors` as an array `(h, w, D)`, or `None`."""
    if flat is None:
        return None
    return np.reshape(ops.convert_to_numpy(flat), (*grid, -1))


@keras.saving.register_keras_serializable(package="keras_vit")
class PositionEmbedding(keras.layers.Layer):
    """Adds learned positions to tokens, before a block of the encoder.

    Cases 2 and 3 of appendix D.4 of the ViT paper (arXiv:2010.11929): each
    block has a layer of its own, or all blocks share one. Case 1, positions
    at the input, is part of `PatchEncoder`.

    B images, T tokens, the last h w of which are patches in row-major order,
    D features of a token.

    Args:
        kind: `"learned"`: one vector for each of the first tokens and each
            patch. `"learned_2d"`: a patch's vector is that of its column and
            that of its row, of D / 2 each; the class token, which has no
            coordinates, gets none. `"factorized"`: the sum of both, of D each.
        grid: (h, w), the rows and columns of patches.
        num_first_tokens: class and distillation token, where there are any.
            Registers, which follow them, have no position.

    Input and output shape: `(B, T, D)`.

    Raises:
        ValueError: for another kind, or an odd D that has to be halved.

    Example:

    >>> positions = PositionEmbedding("learned_2d", grid=(14, 14))
    >>> positions(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    >>> positions.position_vectors().shape
    (14, 14, 192)
    """

    def __init__(
        self, kind: str, grid: Sequence[int], num_first_tokens: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if kind not in LEARNED:
            raise ValueError(
                f"kind must be one of {', '.join(LEARNED)}. Received: kind={kind!r}"
            )
        self.kind = kind
        self.grid = tuple(grid)
        self.num_first_tokens = num_first_tokens

    def build(self, z_shape: Shape) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.width = z_shape[-1]
        self.tables = add_tables(
            self, self.kind, self.grid, self.num_first_tokens, self.width
        )

    def call(self, z: Tensor) -> Tensor:
        patches = self._vectors()
        first = 0
        positions = [patches]
        if self.kind == "learned":
            first = self.num_first_tokens
            positions = [self.tables[0][0, :first], patches]
        without = z.shape[1] - first - patches.shape[0]
        positions.insert(-1, ops.zeros((without, self.width), patches.dtype))
        return z + ops.cast(ops.concatenate(positions, axis=0), z.dtype)

    def position_vectors(self) -> np.ndarray | None:
        """Return the vectors that the patches get, as an array `(h, w, D)`."""
        return on_grid(self._vectors(), self.grid)

    def _vectors(self) -> Tensor:
        return vectors(self.kind, self.tables, self.grid, self.width)

    def compute_output_shape(self, z_shape: Shape) -> Shape:
        return z_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "kind": self.kind,
            "grid": self.grid,
            "num_first_tokens": self.num_first_tokens,
        }
