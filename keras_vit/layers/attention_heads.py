"""How the features of tokens are shared among the heads of attention."""

from __future__ import annotations

from keras_vit.layers.block_config import BlockConfig
from keras_vit.layers.tensors import Tensor, ops


def checked_key_value_heads(num_heads: int, config: BlockConfig) -> int:
    """Return how many heads of keys and values there are.

    Args:
        num_heads: of queries.
        config: of the block; its `num_key_value_heads` may be `None`: one for each
            head of queries.

    Raises:
        ValueError: if there is no head, or if those of keys and values do not divide
            those of queries, or have learned rotary frequencies and are fewer.

    Example:

    >>> checked_key_value_heads(6, BlockConfig(num_key_value_heads=2))
    2
    """
    if num_heads < 1:
        raise ValueError(f"num_heads must be at least 1. Received: {num_heads}")
    count = config.num_key_value_heads or num_heads
    if num_heads % count:
        raise ValueError(
            "num_key_value_heads must divide num_heads. Received: "
            f"num_heads={num_heads}, num_key_value_heads={count}"
        )
    rotary = config.rotary
    is_learned = rotary is not None and rotary.frequencies == "learned"
    if is_learned and num_heads > count:
        raise ValueError(
            "Learned rotary frequencies are those of a head's queries and keys. "
            f"Expected num_key_value_heads=None. Received: {count}"
        )
    return count


def split_heads(x: Tensor, dim: int) -> Tensor:
    """Return `(B, N, H dim)` as `(B, H, N, dim)`, H as many as there are."""
    x = ops.reshape(x, (-1, *x.shape[1:-1], x.shape[-1] // dim, dim))
    return ops.transpose(x, (0, 2, 1, 3))


def joined_heads(x: Tensor, width: int) -> Tensor:
    """Return `(B, H, M, d)` as `(B, M, width)`, of which H d are as many."""
    x = ops.transpose(x, (0, 2, 1, 3))  # B, M, H, d
    return ops.reshape(x, (-1, x.shape[1], width))


def repeated_heads(x: Tensor, repeats: int) -> Tensor:
    """Return keys or values once for each head of queries that they serve.

    Args:
        x: `(B, G, N, d)`.
        repeats: how many heads of queries each of the G serves.
    """
    return x if repeats == 1 else ops.repeat(x, repeats, axis=1)
