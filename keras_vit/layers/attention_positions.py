"""Which positions attention has inside: those of a word, and those of a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_vit.layers.block_config import BlockConfig
from keras_vit.layers.relative_position_bias import RelativePositionBias
from keras_vit.layers.relative_positions import RelativePositions
from keras_vit.layers.rotary_positions import RotaryPositions
from keras_vit.layers.tensors import Shape

POSITIONS = ("none", "relative", "rope_2d")


def check_positions(
    position_embedding: str,
    config: BlockConfig,
    grid: Sequence[int] | None,
    queries_shape: Shape | None = None,
) -> None:
    """Refuse positions that there are not, that lack a grid, or twice the same.

    Args:
        position_embedding: `"none"`, or those of a word.
        config: of the block, for its own positions.
        grid: (rows, columns) of patches.
        queries_shape: of queries that are no tokens, and so have no place; `None`:
            tokens look.

    Raises:
        ValueError: naming the argument.
    """
    if position_embedding not in POSITIONS:
        raise ValueError(
            f"position_embedding must be one of {', '.join(POSITIONS)}. "
            f"Received: position_embedding={position_embedding!r}"
        )
    has_positions = position_embedding != "none" or config.has_positions
    if has_positions and grid is None:
        raise ValueError(
            f"position_embedding={position_embedding!r} needs a grid, "
            "(rows, columns), and so do a block's own positions. "
            "Received: grid=None"
        )
    if position_embedding == "rope_2d" and config.rotary is not None:
        raise ValueError(
            "Queries and keys are turned once. Expected position_embedding="
            "'rope_2d' or a block's rotary positions. Received: both"
        )
    if has_positions and queries_shape is not None:
        raise ValueError(
            "Queries that are no tokens have no place. Expected attention without "
            f"positions. Received: position_embedding={position_embedding!r}, "
            f"config={config.as_dict()}"
        )


def positions_of(
    position_embedding: str,
    config: BlockConfig,
    grid: Sequence[int] | None,
    dtype: Any,
) -> tuple[
    RelativePositions | None, RotaryPositions | None, RelativePositionBias | None
]:
    """Return the layers of positions, `None` for those that are not there.

    Args:
        position_embedding: `"none"`, `"relative"` or `"rope_2d"`.
        config: of the block, for its rotary positions and relative biases.
        grid: (rows, columns) of patches.
        dtype: the layers' policy.

    Example:

    >>> relative, rotary, bias = positions_of("rope_2d", BlockConfig(), (2, 3), None)
    >>> relative is None, rotary.config.pairs, bias is None
    (True, 'halves', True)
    """
    places: Any = grid
    relative = rotary = bias = None
    if position_embedding == "relative":
        relative = RelativePositions(places, name="relative", dtype=dtype)
    if position_embedding == "rope_2d" or config.rotary is not None:
        rotary = RotaryPositions(places, config.rotary, name="rotary", dtype=dtype)
    if config.relative_bias is not None:
        bias = RelativePositionBias(
            places, config.relative_bias, name="relative_bias", dtype=dtype
        )
    return relative, rotary, bias
