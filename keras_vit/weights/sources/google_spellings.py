"""How Google's files spell the names of one model, and where they keep its positions.

What big_vision reads is what its `fix_old_checkpoints` makes the same
(big_vision/models/vit.py), and the towers of its models of images and texts.
"""

import math
import re

import numpy as np

from keras_vit.weights.files import Stored
from keras_vit.weights.sources.source import Arrays

POSITIONS = "Transformer/posembed_input/pos_embedding"
OLDER = "Transformer/pos_embedding"  # big_vision's before 2022
TOWERS = ("params/img/", "opt/target/img/", "img/")  # of images, beside texts
PREFIXES = (*TOWERS, "opt/target/", "params/")
LINEN = {  # inside a block: the newer name, the canonical one
    "MultiHeadDotProductAttention_0": "MultiHeadDotProductAttention_1",
    "LayerNorm_1": "LayerNorm_2",
    "MlpBlock_0": "MlpBlock_3",
}
POOLING = r"(?:MAPHead_\d+/)?(MultiHeadDotProductAttention|LayerNorm|MlpBlock)_\d+/(.+)"


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names, one a block, GroupNorm as (1, 1, 1, C)."""
    stored = without_prefix(stored)
    renamed = {}
    for name, array in stored.items():
        scanned = re.fullmatch(r"Transformer/encoderblock/(.+)", name)
        if scanned:
            for number in range(array.shape[0]):
                block = f"Transformer/encoderblock_{number}/{scanned.group(1)}"
                renamed[_canonical(block)] = array.changed(lambda a, n=number: a[n])
            continue
        if re.search(r"(^|/)gn(\d|_root|_proj)/", name) and len(array.shape) == 1:
            array = array.changed(lambda a: a.reshape(1, 1, 1, -1))
        renamed[_canonical(name)] = array
    for name in (OLDER, "pos_embedding"):
        if name in renamed:
            positions = _flat(renamed.pop(name))
            renamed[POSITIONS] = _for_tokens(positions, "cls" in renamed)
    kernel = renamed.get("embedding/kernel")
    if kernel is not None and len(kernel.shape) == 2:  # NaFlex's, of flat patches
        side = math.isqrt(kernel.shape[0] // 3)
        if 3 * side * side == kernel.shape[0]:
            convolution = kernel.changed(lambda a: a.reshape(side, side, 3, -1))
            renamed["embedding/kernel"] = convolution
    return renamed


def without_prefix(stored: Arrays) -> Arrays:
    """Return the arrays of the model of images, by their names in it."""
    for prefix in PREFIXES:
        inside = {k: v for k, v in stored.items() if k.startswith(prefix)}
        if inside:  # what is outside is the optimizer's, or of texts
            return {name.removeprefix(prefix): array for name, array in inside.items()}
    return stored


def is_naflex(stored: Arrays) -> bool:
    """Return whether positions are a table of rows and columns, without prefixes."""
    positions = stored.get("pos_embedding")
    return positions is not None and _is_grid(positions)


def _is_grid(positions):
    return len(positions.shape) == 3 and positions.shape[0] > 1


def _flat(positions):
    """`(h, w, D)`, as NaFlex has them, as `(1, h w, D)`."""
    if not _is_grid(positions):
        return positions
    return positions.changed(lambda a: a.reshape(1, -1, a.shape[-1]))


def _for_tokens(positions, has_class_token):
    """big_vision's table with a row for a class token, where there is one, alone.

    It has none of its own: a row of 0 changes nothing. In older files a square
    grid has one more, which counts for a class token alone.
    """
    side = math.isqrt(positions.shape[1])
    holds_class_token = side**2 + 1 == positions.shape[1]
    if has_class_token == holds_class_token:
        return positions
    if holds_class_token:
        return positions.changed(lambda a: a[:, 1:])
    return positions.changed(lambda a: np.pad(a, [(0, 0), (1, 0), (0, 0)]))


def _canonical(name):
    block = re.fullmatch(r"(Transformer/encoderblock_\d+)/([^/]+)(/.+)", name)
    if block:
        before, part, after = block.groups()
        return f"{before}/{LINEN.get(part, part)}{after}"
    if re.fullmatch(r"(MAPHead_\d+/)?probe", name):
        return "MAPHead_0/probe"
    pooling = re.fullmatch(POOLING, name)  # once without a module of its own
    return f"MAPHead_0/{pooling[1]}_0/{pooling[2]}" if pooling else name
