"""Which layer each block of an encoder is, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_vit import layers
from keras_vit.layers import BlockConfig
from keras_vit.layers.block_config import Block

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


def block_of(config: BlockConfig, merging: Mapping[str, Any]) -> type[Any]:
    """Return the layer of a block's layout, of branches, or of merging tokens."""
    if config.num_branches > 1:
        return layers.BranchedBlock
    return layers.MergingBlock if merging else LAYOUTS[config.layout]


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
