"""Hugging Face transformers: the tower of images of TIPSv2, DINOv2's by other names.

In memory the library has DINOv2's own names for it.
"""

import re
from typing import Any

import numpy as np

from keras_vit.preprocessing import PRESETS
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_dinov2 as dinov2
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import Family, Written, with_mask
from keras_vit.weights.sources.source import Arrays, Source, Spelling
from keras_vit.weights.sources.torch_layout import dense, fused, gated, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH

BLOCK, PREFIX = "blocks.*", "vision_encoder."
REGISTERS = "register_tokens"
FIRST = re.compile(r"(vision_encoder\.)?blocks\.0\.mlp\.(c_fc|w12)\.weight")
RULES = {
    "patch_encoder/projection/kernel": ("patch_embed.proj.weight", PATCHES_TORCH),
    "patch_encoder/projection/bias": ("patch_embed.proj.bias", AS_IS),
    "patch_encoder/class_token": ("cls_token", AS_IS),
    "patch_encoder/registers": (REGISTERS, AS_IS),
    "patch_encoder/position_embedding": ("pos_embed", AS_IS),
    **norm("block_*/norm1", f"{BLOCK}.norm1"),
    **fused("block_*/attention", f"{BLOCK}.attn.qkv.weight", f"{BLOCK}.attn.qkv.bias"),
    **dense("block_*/attention/out", f"{BLOCK}.attn.proj"),
    "block_*/scale1/gamma": (f"{BLOCK}.ls1.gamma", AS_IS),
    **norm("block_*/norm2", f"{BLOCK}.norm2"),
    "block_*/scale2/gamma": (f"{BLOCK}.ls2.gamma", AS_IS),
    **norm("norm", "norm"),
}
MLPS = {  # how an MLP is spelled: its rules
    "dense": {
        **dense("block_*/mlp/fc1", f"{BLOCK}.mlp.c_fc"),
        **dense("block_*/mlp/fc2", f"{BLOCK}.mlp.c_proj"),
    },
    "packed": {
        **gated("block_*/mlp", f"{BLOCK}.mlp.w12.weight", f"{BLOCK}.mlp.w12.bias"),
        **dense("block_*/mlp/fc2", f"{BLOCK}.mlp.w3"),
    },
}


def spelling(stored: Arrays) -> Spelling:
    """Return how the MLPs are spelled."""
    return frozenset({"packed" if "blocks.0.mlp.w12.weight" in stored else "dense"})


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays without the tower's prefix, and without registers if none."""
    names = {name.removeprefix(PREFIX): array for name, array in stored.items()}
    if REGISTERS in names and not names[REGISTERS].shape[1]:
        del names[REGISTERS]
    return names


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {"class_token": True, "pooling": "token"}
    info["layer_scale"] = 1.0
    block = {}
    if "blocks.0.attn.qkv.bias" not in stored:
        block = {"qkv_bias": "none"}
    if spelling(stored) == {"packed"}:
        info["activation"] = dinov2.GATED["activation"]
        block |= dinov2.GATED["block"]
    if block:
        info["block"] = block
    if REGISTERS in stored:
        info["num_registers"] = stored[REGISTERS].shape[1]
    return info


TIPSV2 = Source(
    name="tipsv2",
    recognises=lambda names: (
        any(FIRST.fullmatch(name) for name in names)
        and any(name.removeprefix(PREFIX) == REGISTERS for name in names)
    ),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES | MLPS[min(spelling, default="dense")],
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=lambda stored, config: "bilinear_antialias",
    image_size=dinov2.FIELDS.image_size,
    patches="patch_embed.proj.weight",
    positions="pos_embed",
    mlp=(f"{BLOCK}.mlp.c_proj.weight", f"{BLOCK}.mlp.w3.weight"),
    arguments=arguments,
    pixels=processor_file.pixels(processor_file.AS_SHARES, "Tipsv2"),
    preprocessing=processor_file.preprocessing(PRESETS["huggingface"], "Tipsv2"),
    left_out={
        r"mask_token$": "",
        r"text_encoder\.|temperature$": "the text tower",
    },
    spelling=spelling,
    settings=dinov2.FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
)


def _config(facts: Facts) -> dict[str, Any]:
    """Return `config.json`, DINOv2's but for names."""
    if facts.has_head:
        raise ValueError("a head, which TIPSv2's classes do not have")
    return dinov2.family_config(facts) | {
        "architectures": ["Tipsv2VisionModel"],
        "model_type": "tipsv2_vision_model",
        "num_register_tokens": facts.arguments["num_registers"],
    }


def _finished(arrays: Written, facts: Facts) -> Written:
    none = np.zeros((1, 0, facts.hidden_dim), np.float32)
    return {REGISTERS: none} | with_mask(arrays, facts, "mask_token", 1)


FAMILY = Family(
    source=TIPSV2,
    config=_config,
    spelling=dinov2.family_spelling,
    finished=_finished,
)
