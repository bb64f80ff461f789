"""Hugging Face transformers: DINOv3's Vision Transformers."""

import re
from typing import Any

import numpy as np

from keras_vit.layers import RotaryConfig
from keras_vit.layers.config import as_dict
from keras_vit.preprocessing import Preprocessing
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources.huggingface_config import Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import (
    Family,
    Written,
    common,
    named,
    with_mask,
)
from keras_vit.weights.sources.source import IMAGENET, Arrays, Config, Source
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH

LAYER = "layer.*"
PATCHES, REGISTERS = "embeddings.patch_embeddings.weight", "embeddings.register_tokens"
FIRST = re.compile(r"(model\.)?layer\.0\.layer_scale1\.lambda1")
RULES = {
    "patch_encoder/projection/kernel": (PATCHES, PATCHES_TORCH),
    "patch_encoder/projection/bias": ("embeddings.patch_embeddings.bias", AS_IS),
    "patch_encoder/class_token": ("embeddings.cls_token", AS_IS),
    "patch_encoder/registers": (REGISTERS, AS_IS),
    **norm("block_*/norm1", f"{LAYER}.norm1"),
    **dense("block_*/attention/query", f"{LAYER}.attention.q_proj"),
    **dense("block_*/attention/key", f"{LAYER}.attention.k_proj"),
    **dense("block_*/attention/value", f"{LAYER}.attention.v_proj"),
    **dense("block_*/attention/out", f"{LAYER}.attention.o_proj"),
    "block_*/scale1/gamma": (f"{LAYER}.layer_scale1.lambda1", AS_IS),
    **norm("block_*/norm2", f"{LAYER}.norm2"),
    **dense("block_*/mlp/gate", f"{LAYER}.mlp.gate_proj"),
    **dense("block_*/mlp/fc1", f"{LAYER}.mlp.up_proj"),
    **dense("block_*/mlp/fc2", f"{LAYER}.mlp.down_proj"),
    "block_*/scale2/gamma": (f"{LAYER}.layer_scale2.lambda1", AS_IS),
    **norm("norm", "norm"),
    **dense("head", "classifier"),
}
THETA = 100.0
DEFAULTS = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "num_attention_heads": 6,
    "image_size": 224,
    "rope_theta": THETA,
    "query_bias": True,
    "key_bias": False,
    "value_bias": True,
    "proj_bias": True,
    "mlp_bias": True,
    "use_gated_mlp": False,
}
QKV_BIASES = {  # of query, key and value: a block's `qkv_bias`
    (True, True, True): "all",
    (True, False, True): "query_value",
    (False, False, False): "none",
}
BIASES = {  # a field: its array in the first block
    "query_bias": "layer.0.attention.q_proj.bias",
    "key_bias": "layer.0.attention.k_proj.bias",
    "value_bias": "layer.0.attention.v_proj.bias",
    "proj_bias": "layer.0.attention.o_proj.bias",
    "mlp_bias": "layer.0.mlp.up_proj.bias",
}


def rotary(temperature: float) -> dict[str, Any]:
    """Return the fields of its rotary positions, of patches' middles."""
    return as_dict(
        RotaryConfig(coordinates="centered", axes="yx", temperature=float(temperature))
    )


def _further(settings: Config) -> dict[str, Any]:
    """Return a block's biases, positions and MLP."""
    if "model_type" not in settings:
        return {}
    block = {"rotary": rotary(settings["rope_theta"]), **_biases(settings)}
    block["mlp"] = "gated" if settings["use_gated_mlp"] else "dense"
    return {"block": block}


def _biases(has):
    """Return the fields of a block on biases, by the names of `BIASES`."""
    query, key, value = (bool(has[f"{one}_bias"]) for one in ("query", "key", "value"))
    qkv = query, key, value
    if qkv not in QKV_BIASES or bool(has["proj_bias"]) != bool(has["mlp_bias"]):
        stated = ", ".join(f"{name}={has[name]}" for name in BIASES)
        raise ValueError(
            "keras_vit's models have biases of query, key and value, of query and "
            "value, or of none of them, and both or neither of attention's output "
            f"and the MLP. Received: {stated}, as config.json or the arrays say"
        )
    return {"qkv_bias": QKV_BIASES[qkv], "use_bias": bool(has["mlp_bias"])}


FIELDS = Fields(kinds={"dinov3_vit": DEFAULTS}, further=_further)


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by the names on disk, without registers where there are none."""
    names = {
        re.sub(r"^model\.(?=layer\.)", "", name): array
        for name, array in stored.items()
    }
    if REGISTERS in names and not names[REGISTERS].shape[1]:
        del names[REGISTERS]
    return names


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    gated = "layer.0.mlp.gate_proj.weight" in stored
    block = _biases({field: name in stored for field, name in BIASES.items()})
    info: dict[str, Any] = {
        "class_token": True,
        "pooling": "token",
        "position_embedding": "none",
        "layer_scale": 1.0,
        "block": {
            "rotary": rotary(THETA),
            "mlp": "gated" if gated else "dense",
            **block,
        },
    }
    if gated:
        info["activation"] = "silu"
    if REGISTERS in stored:
        info["num_registers"] = stored[REGISTERS].shape[1]
    if "classifier.weight" in stored:
        info["num_classes"] = stored["classifier.weight"].shape[0]
    return info


DINOV3 = Source(
    name="dinov3",
    kinds=tuple(FIELDS.kinds),
    recognises=lambda names: any(FIRST.fullmatch(name) for name in names),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-5,
    position_method=lambda stored, config: "bicubic",
    image_size=FIELDS.image_size,
    patches=PATCHES,
    positions="",  # none that are a table
    mlp=f"{LAYER}.mlp.down_proj.weight",
    arguments=arguments,
    pixels=processor_file.pixels(IMAGENET, "DINOv3ViT"),
    preprocessing=processor_file.preprocessing(
        Preprocessing("squash", "bilinear", True, 1.0, "float"), "DINOv3ViT"
    ),
    dropped_with_head=("classifier.",),
    left_out={r"embeddings\.mask_token$": ""},
    classifiers=("classifier",),
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
)


def _config(facts: Facts) -> dict[str, Any]:
    """Return `config.json`."""
    if facts.has_head:
        raise ValueError("a head, which DINOv3's classes do not have")
    block = facts.architecture.blocks[0]
    return (
        named("DINOv3ViT", "dinov3_vit", facts)
        | common(facts)
        | {
            "attention_dropout": facts.attention_dropout_rate,
            "rope_theta": block.rotary.temperature if block.rotary else THETA,
            "query_bias": block.qkv_bias != "none",
            "key_bias": block.qkv_bias == "all",
            "value_bias": block.qkv_bias != "none",
            "proj_bias": block.use_bias,
            "mlp_bias": block.use_bias,
            "use_gated_mlp": facts.is_gated,
            "num_register_tokens": facts.arguments["num_registers"],
        }
    )


def _finished(arrays: Written, facts: Facts) -> Written:
    """Add the mask token and the registers that its class always has, if none."""
    none = np.zeros((1, 0, facts.hidden_dim), np.float32)
    return {REGISTERS: none} | with_mask(arrays, facts, "embeddings.mask_token", 1, 1)


FAMILY = Family(source=DINOV3, config=_config, finished=_finished)
