"""The names that towers of images have in transformers' CLIP and SigLIP."""

import re

from keras_vit.weights.files import Stored
from keras_vit.weights.sources.source import Arrays
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH, reshaped

LAYER = "encoder.layers.*"
PATCHES = "embeddings.patch_embedding.weight"
POSITIONS = "embeddings.position_embedding.weight"
PREFIX = "vision_model."
BUFFER = re.compile(r"embeddings\.position_ids$")  # of older versions
LEFT_OUT = {  # of a model of images and text
    r"text_model\.|text_projection\.|logit_scale$|logit_bias$": "the text tower",
}
WITHOUT_FIRST = reshaped(lambda array, _: array.shape[1:])  # an axis of 1
RULES = {
    "patch_encoder/projection/kernel": (PATCHES, PATCHES_TORCH),
    "patch_encoder/projection/bias": ("embeddings.patch_embedding.bias", AS_IS),
    "patch_encoder/position_embedding": (POSITIONS, WITHOUT_FIRST),
    **norm("block_*/norm1", f"{LAYER}.layer_norm1"),
    **dense("block_*/attention/query", f"{LAYER}.self_attn.q_proj"),
    **dense("block_*/attention/key", f"{LAYER}.self_attn.k_proj"),
    **dense("block_*/attention/value", f"{LAYER}.self_attn.v_proj"),
    **dense("block_*/attention/out", f"{LAYER}.self_attn.out_proj"),
    **norm("block_*/norm2", f"{LAYER}.layer_norm2"),
    **dense("block_*/mlp/fc1", f"{LAYER}.mlp.fc1"),
    **dense("block_*/mlp/fc2", f"{LAYER}.mlp.fc2"),
    **norm("norm", "post_layernorm"),
}


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays without the tower's prefix, the position table as (1, N, D)."""
    names = {
        name.removeprefix(PREFIX): array
        for name, array in stored.items()
        if not BUFFER.search(name)
    }
    if POSITIONS in names and len(names[POSITIONS].shape) == 2:
        names[POSITIONS] = names[POSITIONS].changed(lambda table: table[None])
    return names
