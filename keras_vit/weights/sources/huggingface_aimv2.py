"""Hugging Face transformers: the tower of images of AIMv2."""

from typing import Any

from keras_vit.preprocessing import resolve
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources import huggingface_towers as towers
from keras_vit.weights.sources.huggingface_config import QKV_BIAS, Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import Family, square
from keras_vit.weights.sources.source import Arrays, Config, Source
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH, TRANSPOSED

LAYER = "encoder.layers.*"
PATCHES = "embeddings.patch_embed.weight"
PROBE, PROJECTION = "head.cls_token", "visual_projection.weight"
RULES = {
    "patch_encoder/projection/kernel": (PATCHES, PATCHES_TORCH),
    "patch_encoder/projection/bias": ("embeddings.patch_embed.bias", AS_IS),
    **norm("patch_encoder/norm", "embeddings.rms_norm"),
    "patch_encoder/position_embedding": (towers.POSITIONS, towers.WITHOUT_FIRST),
    **norm("block_*/norm1", f"{LAYER}.rms_norm1"),
    **dense("block_*/attention/query", f"{LAYER}.attention.q_proj"),
    **dense("block_*/attention/key", f"{LAYER}.attention.k_proj"),
    **dense("block_*/attention/value", f"{LAYER}.attention.v_proj"),
    **dense("block_*/attention/out", f"{LAYER}.attention.out_proj"),
    **norm("block_*/norm2", f"{LAYER}.rms_norm2"),
    **dense("block_*/mlp/gate", f"{LAYER}.ffn.gate_proj"),
    **dense("block_*/mlp/fc1", f"{LAYER}.ffn.up_proj"),
    **dense("block_*/mlp/fc2", f"{LAYER}.ffn.down_proj"),
    **norm("norm", "rms_norm"),
    "pooling/probe": (PROBE, AS_IS),
    **dense("pooling/attention/key", "head.k_proj"),
    **dense("pooling/attention/value", "head.v_proj"),
    **dense("pooling/attention/out", "head.output_proj"),
    "head/kernel": (PROJECTION, TRANSPOSED),
}
DEFAULTS = {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "num_attention_heads": 8,
    "image_size": 224,
    "qkv_bias": False,
    "mlp_bias": False,
    "is_native": False,
}


def _further(settings: Config) -> dict[str, Any]:
    """Return a block's biases; attention's output has them as the projections do."""
    if "qkv_bias" not in settings:
        return {}
    qkv, mlp = settings["qkv_bias"], settings["mlp_bias"]
    if qkv != mlp:
        raise ValueError(
            "keras_vit's models have biases of attention's output and of the MLP, or "
            f"neither. Received: qkv_bias={qkv}, mlp_bias={mlp}, as config.json says"
        )
    return {"block": {"qkv_bias": QKV_BIAS[qkv], "use_bias": mlp}}


FIELDS = Fields(
    kinds=dict.fromkeys(("aimv2_vision_model", "aimv2"), DEFAULTS),
    supported={"is_native": (False,)},
    further=_further,
)


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names."""
    return towers.normalise(stored)


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    has_biases = "encoder.layers.0.attention.q_proj.bias" in stored
    info: dict[str, Any] = {
        "class_token": False,
        "pooling": None,
        "patch_norm": True,
        "block": {
            "norm": "rms",
            "mlp": "gated",
            "qkv_bias": QKV_BIAS[has_biases],
            "use_bias": has_biases,
        },
    }
    if PROBE in stored:
        info["pooling"] = {
            "kind": "map",
            "mlp": False,
            "query_projection": False,
            "qkv_bias": "head.k_proj.bias" in stored,
        }
    if PROJECTION in stored:
        info |= {"num_classes": stored[PROJECTION].shape[0], "head_bias": False}
    return info


AIMV2 = Source(
    name="aimv2",
    kinds=tuple(FIELDS.kinds),
    recognises=lambda names: any(
        name.removeprefix(towers.PREFIX) == "embeddings.rms_norm.weight"
        for name in names
    ),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="silu",
    layer_norm_epsilon=1e-5,
    position_method=lambda stored, config: "bicubic",
    image_size=FIELDS.image_size,
    patches=PATCHES,
    positions=towers.POSITIONS,
    mlp=f"{LAYER}.ffn.down_proj.weight",
    arguments=arguments,
    pixels=processor_file.pixels(processor_file.CLIP_PIXELS, "CLIP"),
    preprocessing=processor_file.preprocessing(resolve("dinov2:1"), "CLIP"),
    dropped_with_head=("visual_projection.",),
    dropped_without_pooling=("head.",),
    left_out=towers.LEFT_OUT,
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
)


def _config(facts: Facts) -> dict[str, Any]:
    """Return `config.json` of the tower; a projection is part of the whole alone."""
    if facts.has_head:
        raise ValueError("a head, which AIMv2's class of images does not have")
    block, pooling = facts.architecture.blocks[0], facts.architecture.pooling
    config = square(facts)
    config["rms_norm_eps"] = config.pop("layer_norm_eps")
    return config | {
        "architectures": ["Aimv2VisionModel"],
        "model_type": "aimv2_vision_model",
        "attention_dropout": facts.attention_dropout_rate,
        "qkv_bias": block.qkv_bias == "all",
        "mlp_bias": block.use_bias,
        "use_head": pooling is not None and pooling.kind == "map",
        "is_native": False,
    }


FAMILY = Family(source=AIMV2, config=_config)
