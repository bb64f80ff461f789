"""Factors of the learning rate, by weight."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

_BLOCK = re.compile(r"(?:block|positions)_(\d+)/")


def lr_multipliers(
    model: keras.Model,
    layer_decay: float = 1.0,
    patterns: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the factor of every trainable weight's learning rate.

    Args:
        model: a Keras model whose blocks are named `block_00`, `block_01`, ...
        layer_decay: the factor from one block to the one below it, as in
            BEiT (arXiv:2106.08254). What precedes the blocks lies one below
            the first, what follows them has a factor of 1. Positions of a
            block's own, `positions_00`, ..., lie where the block does.
        patterns: further factors `{pattern of a path: factor}`, such as
            `{"head/*": 10}`; all that match are multiplied.

    Returns:
        A dict of factors by path.

    Raises:
        ValueError: if a pattern matches no weight.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> lr_multipliers(model, layer_decay=0.5)["block_11/norm1/gamma"]
    0.5
    """
    paths = [weight.path for weight in model.trainable_variables]
    patterns = patterns or {}
    for pattern in patterns:
        if not fnmatch.filter(paths, pattern):
            raise ValueError(
                "lr_multipliers must match paths of weights, such as "
                f"{paths[-1]!r} or 'block_*'. Received: {pattern!r}, which matches none"
            )
    blocks = [int(found[1]) for path in paths if (found := _BLOCK.match(path))]
    num_blocks = max(blocks, default=-1) + 1
    first = next((i for i, path in enumerate(paths) if _BLOCK.match(path)), 0)
    factors = {}
    for place, path in enumerate(paths):
        found = _BLOCK.match(path)
        below = (
            num_blocks - int(found[1]) if found else (num_blocks + 1) * (place < first)
        )
        factors[path] = layer_decay**below
        for pattern, factor in patterns.items():
            if fnmatch.fnmatch(path, pattern):
                factors[path] *= factor
    return factors
