"""The blocks of an encoder: which layer each is, what it is made of, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_vit import layers
from keras_vit.layers import BlockConfig
from keras_vit.layers.block_config import Block
from keras_vit.layers.position_embedding import ADDED
from keras_vit.layers.tensors import Tensor

LAYOUTS = {  # a layout: its layer
    "pre_norm": layers.TransformerBlock,
    "res_post_norm": layers.TransformerBlock,
    "parallel": layers.ParallelBlock,
}


def blocks_of(
    block: Block | Sequence[Block] | None, num_layers: int
) -> tuple[BlockConfig, ...]:
    """Return the config of each block.

    Args:
        block: one for all, or one for each.
        num_layers: how many there are.

    Raises:
        ValueError: for a choice that there is not, for another number of blocks,
            or for blocks of different norms.

    Example:

    >>> [one.mlp for one in blocks_of({"mlp": "gated"}, 2)]
    ['gated', 'gated']
    """
    if block is None or isinstance(block, BlockConfig | Mapping | str):
        return (BlockConfig.of(block),) * num_layers
    configs = tuple(map(BlockConfig.of, block))
    if len(configs) != num_layers:
        raise ValueError(
            f"block must be one for all, or one for each of {num_layers} layers. "
            f"Received: {len(configs)}"
        )
    if len({config.norm for config in configs}) > 1:
        raise ValueError(
            "The blocks of an encoder share its norm. Received: "
            f"{', '.join(config.norm for config in configs)}"
        )
    return configs


def block_of(config: BlockConfig, *, merges: bool = False) -> type[Any]:
    """Return the layer of a block's layout, of branches, or of merging tokens."""
    if config.num_branches > 1:
        return layers.BranchedBlock
    return layers.MergingBlock if merges else LAYOUTS[config.layout]


def encoded(
    z: Tensor,
    blocks: Sequence[BlockConfig],
    positions: Sequence[layers.PositionEmbedding],
    *,
    drop_path_rate: float,
    **arguments: Any,
) -> tuple[Tensor, Tensor | None]:
    """Return the tokens after all blocks, `(B, T, D)`: Eqs. 2 and 3.

    Args:
        z: the tokens, `(B, T, D)`.
        blocks: what each block is made of.
        positions: what is added before each block; empty: nothing.
        drop_path_rate: stochastic depth of the last block; the rates of those before
            it grow linearly from 0.
        **arguments: of every block. With `token_merging` fewer tokens are returned.

    Returns:
        Tokens, and where some are merged how many patches each stands for, `(B, T)`.
    """
    sizes: list[Tensor] = []
    merges = "token_merging" in arguments
    for number, config in enumerate(blocks):
        if positions:
            z = positions[number](z)
        outputs = block_of(config, merges=merges)(
            drop_path_rate=drop_path_rate * number / max(len(blocks) - 1, 1),
            config=config,
            index=number,
            **arguments,
            name=f"block_{number:02d}",
        )(z, *sizes)
        z, *sizes = outputs if merges else (outputs,)
    return z, sizes[0] if sizes else None


def positions_of_blocks(
    kind: str, place: str, grid: tuple[int, int], num_first_tokens: int, num_layers: int
) -> tuple[Sequence[layers.PositionEmbedding], dict[str, Any]]:
    """Return what is added before each block, and the arguments of what is inside it.

    Args:
        kind: of positions, a key of `POSITION_EMBEDDINGS`.
        place: where they come in, one of that kind's.
        grid: (rows, columns) of patches.
        num_first_tokens: how many class and distillation tokens there are.
        num_layers: how many blocks.

    Returns:
        A layer for each block, or none; and arguments of every block.
    """
    inside: dict[str, Any] = {"grid": grid}
    if kind not in ADDED:
        return (), inside | {"position_embedding": kind}
    if place == "input":
        return (), inside
    names = [f"positions_{block:02d}" for block in range(num_layers)]
    if place == "every_layer_shared":
        names = ["positions"]
    added = [
        layers.PositionEmbedding(kind, grid, num_first_tokens, name=name)
        for name in names
    ]
    return added * (num_layers // len(added)), inside


def kept(block: Block | Sequence[Block] | None) -> Any:
    """Return what a model keeps of its argument `block`, for JSON.

    Example:

    >>> kept([BlockConfig(norm="rms"), {}])
    [{'norm': 'rms'}, {}]
    """
    if block is None or isinstance(block, BlockConfig | Mapping):
        return None if block is None else BlockConfig.of(block).as_dict()
    return [BlockConfig.of(one).as_dict() for one in block]


def check_blocks(
    blocks: Sequence[BlockConfig],
    head_dim: int,
    *,
    patch_dropout_rate: float,
    token_merging: int,
) -> None:
    """Refuse what does not go with positions inside attention, or with a layout.

    Raises:
        ValueError: naming the argument.
    """
    if head_dim % 4 and any(block.rotary is not None for block in blocks):
        raise ValueError(
            "Rotary positions need heads whose features 4 divides. "
            f"Received: {head_dim} features of a head"
        )
    is_differential = any(block.attention == "differential" for block in blocks)
    if head_dim % 2 and is_differential:
        raise ValueError(
            "Differential attention halves the features of a head. "
            f"Received: {head_dim} features of a head"
        )
    has_positions = any(block.has_positions for block in blocks)
    for argument, value in (
        ("patch_dropout_rate", patch_dropout_rate),
        ("token_merging", token_merging),
    ):
        if value and has_positions:
            raise ValueError(
                f"{argument} needs positions that come in before the first block: "
                "blocks with rotary positions or relative biases need the whole grid. "
                f"Received: {argument}={value}, block={blocks[0].as_dict()}"
            )
    layouts = {block.layout for block in blocks} - {"pre_norm"}
    if token_merging and layouts:
        raise ValueError(
            "token_merging merges tokens between attention and MLP, of layout="
            f"'pre_norm'. Received: layout={', '.join(sorted(layouts))}"
        )
    branches = max(block.num_branches for block in blocks)
    if token_merging and branches > 1:
        raise ValueError(
            "token_merging merges tokens by the keys of one attention. Expected blocks "
            f"of num_branches=1. Received: num_branches={branches}"
        )
