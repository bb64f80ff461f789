"""What the encoders of transformers' ViT, DINOv2 and BEiT have in common in names.

Canonical are the names on disk, without the prefix of the backbone. Newer
versions of the library use other names in memory; both are read.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from keras_vit.weights.files import Stored
from keras_vit.weights.sources.source import Arrays, Config
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH

PREFIX = re.compile(
    r"^(vit|deit|ijepa|dinov2|dinov2_with_registers|beit|data2vec_vision|pixio)\."
)
BLOCK_0 = rf"(?:{PREFIX.pattern.removeprefix('^')})?(?:encoder\.layer|layers)\.0\."
LAYER = "encoder.layer.*"
PATCHES = "embeddings.patch_embeddings.projection.weight"
POSITIONS = "embeddings.position_embeddings"
CLASS_TOKEN, REGISTERS = "embeddings.cls_token", "embeddings.register_tokens"
IN_MEMORY = {  # the newer name, the one on disk
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
}
IN_MEMORY_VIT = IN_MEMORY | {
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
RULES = {
    "patch_encoder/projection/kernel": (PATCHES, PATCHES_TORCH),
    "patch_encoder/projection/bias": (
        "embeddings.patch_embeddings.projection.bias",
        AS_IS,
    ),
    "patch_encoder/class_token": (CLASS_TOKEN, AS_IS),
    "patch_encoder/registers": (REGISTERS, AS_IS),
    "patch_encoder/position_embedding": (POSITIONS, AS_IS),
    **dense("block_*/attention/query", f"{LAYER}.attention.attention.query"),
    **dense("block_*/attention/key", f"{LAYER}.attention.attention.key"),
    **dense("block_*/attention/value", f"{LAYER}.attention.attention.value"),
    **dense("block_*/attention/out", f"{LAYER}.attention.output.dense"),
    **norm("norm", "layernorm"),
}
MLP_OF_VIT = {
    **dense("block_*/mlp/fc1", f"{LAYER}.intermediate.dense"),
    **dense("block_*/mlp/fc2", f"{LAYER}.output.dense"),
}
LEFT_OUT = {  # of pre-training
    r"embeddings\.mask_token$": "",
    r"decoder\.|lm_head\.": "the decoder of pre-training",
}


def normalised(stored: Arrays, in_memory: Mapping[str, str]) -> dict[str, Stored]:
    """Return arrays by canonical names.

    Args:
        stored: arrays by the names in the file.
        in_memory: a part of a block by its name in memory -> by that on disk.
    """
    names = {}
    for name, array in stored.items():
        short = PREFIX.sub("", name)
        layer = re.fullmatch(r"(?:encoder\.layer|layers)\.(\d+)\.(.+)", short)
        if layer:
            number, part = layer.groups()
            before, _, kind = part.rpartition(".")
            part = f"{in_memory[before]}.{kind}" if before in in_memory else part
            short = f"encoder.layer.{number}.{part}"
        names[name if short in names else short] = array
    return names


def has(part: str) -> Callable[[Iterable[str]], bool]:
    """Return whether the first block of some names has a part."""
    pattern = re.compile(BLOCK_0 + part)
    return lambda names: any(pattern.match(name) for name in names)


def first_rows(
    stored: Arrays, config: Config
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how many rows of the table stand before the patches': of all tokens."""
    tokens = (CLASS_TOKEN, "embeddings.distillation_token", REGISTERS)
    rows = sum(stored[name].shape[1] for name in tokens if name in stored)
    return (rows,), (rows,)


def aligned(stored: Arrays, rows: int) -> Arrays:
    """Make the positions of registers, which have none here, part of their tokens."""
    first = stored[CLASS_TOKEN].shape[1] if CLASS_TOKEN in stored else 0
    if rows == first or REGISTERS not in stored:
        return stored
    tokens, positions = stored[REGISTERS], stored[POSITIONS]
    of_registers = slice(first, rows)
    folded = replace(
        tokens, read=lambda: tokens.read() + positions.read()[:, of_registers]
    )
    table = positions.changed(
        lambda table: np.delete(table, np.r_[of_registers], axis=1)
    )
    return {**stored, REGISTERS: folded, POSITIONS: table}
