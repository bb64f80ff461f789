"""Hugging Face transformers: ViT and DeiT, and DINOv2.

Canonical are the names on disk, without the prefix of the backbone. Newer
versions of the library use other names in memory; both are read.
"""

import dataclasses
import re

from keras_vit.preprocessing import PRESETS
from keras_vit.weights.sources.source import HALF, IMAGENET, Source
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH

PREFIX = re.compile(r"^(vit|deit|dinov2|dinov2_with_registers)\.")
LAYER = "encoder.layer.*"
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
SHARED = {
    "patch_encoder/projection/kernel": (
        "embeddings.patch_embeddings.projection.weight",
        PATCHES_TORCH,
    ),
    "patch_encoder/projection/bias": (
        "embeddings.patch_embeddings.projection.bias",
        AS_IS,
    ),
    "patch_encoder/class_token": ("embeddings.cls_token", AS_IS),
    "patch_encoder/position_embedding": ("embeddings.position_embeddings", AS_IS),
    **dense("block_*/attention/query", f"{LAYER}.attention.attention.query"),
    **dense("block_*/attention/key", f"{LAYER}.attention.attention.key"),
    **dense("block_*/attention/value", f"{LAYER}.attention.attention.value"),
    **dense("block_*/attention/out", f"{LAYER}.attention.output.dense"),
    **norm("norm", "layernorm"),
}
VIT_RULES = SHARED | {
    "patch_encoder/distillation_token": ("embeddings.distillation_token", AS_IS),
    **norm("block_*/norm1", f"{LAYER}.layernorm_before"),
    **norm("block_*/norm2", f"{LAYER}.layernorm_after"),
    **dense("block_*/mlp/fc1", f"{LAYER}.intermediate.dense"),
    **dense("block_*/mlp/fc2", f"{LAYER}.output.dense"),
    **dense("pre_logits", "pooler.dense"),
}
DINOV2_RULES = SHARED | {
    "patch_encoder/registers": ("embeddings.register_tokens", AS_IS),
    **norm("block_*/norm1", f"{LAYER}.norm1"),
    "block_*/scale1/gamma": (f"{LAYER}.layer_scale1.lambda1", AS_IS),
    **norm("block_*/norm2", f"{LAYER}.norm2"),
    **dense("block_*/mlp/fc1", f"{LAYER}.mlp.fc1"),
    **dense("block_*/mlp/fc2", f"{LAYER}.mlp.fc2"),
    "block_*/scale2/gamma": (f"{LAYER}.layer_scale2.lambda1", AS_IS),
}


def vit_rules(architecture):
    """DeiT with a teacher has two heads, under names of their own."""
    if architecture.num_first_tokens < 2:
        return VIT_RULES | dense("head", "classifier")
    return (
        VIT_RULES
        | dense("head", "cls_classifier")
        | dense("head_distillation", "distillation_classifier")
    )


def _normaliser(in_memory):
    def normalise(stored):
        names = {}
        for name, array in stored.items():
            name = PREFIX.sub("", name)
            if name == "embeddings.mask_token":  # of pre-training alone
                continue
            layer = re.fullmatch(r"(?:encoder\.layer|layers)\.(\d+)\.(.+)\.(\w+)", name)
            if layer:
                number, part, kind = layer.groups()
                part = in_memory.get(part, part)
                name = f"encoder.layer.{number}.{part}.{kind}"
            names[name] = array
        return names

    return normalise


def _has(*fragments):
    return lambda names: any(one in name for name in names for one in fragments)


def dinov2_position_method(stored, config):
    """With registers its code antialiases, without them it does not."""
    has_registers = any(name.endswith("register_tokens") for name in stored)
    return "bicubic_antialias" if has_registers else "bicubic"


def image_size(config):
    """As `config.json` says, an integer or (height, width)."""
    told = config.get("image_size")
    return (told, told) if isinstance(told, int) else told and tuple(told)


def arguments(stored):
    """What the arrays tell of the model."""
    told = {"distillation": "embeddings.distillation_token" in stored}
    if "embeddings.register_tokens" in stored:
        told["num_registers"] = stored["embeddings.register_tokens"].shape[1]
    if "encoder.layer.0.layer_scale1.lambda1" in stored:
        told["layer_scale"] = 1.0
    if "pooler.dense.weight" in stored:
        told["representation_size"] = stored["pooler.dense.weight"].shape[0]
    for name in ("classifier.weight", "cls_classifier.weight"):
        if name in stored:
            told["num_classes"] = stored[name].shape[0]
    return told


def _pixels(default):
    def pixels(config):
        """As `preprocessor_config.json` says."""
        told = config.get("preprocessing", {})
        if "image_mean" not in told or "image_std" not in told:
            return default
        scale = 1 / told.get("rescale_factor", 1 / 255)
        keys = ("image_mean", "image_std")
        return tuple(tuple(scale * x for x in told[key]) for key in keys)

    return pixels


RESAMPLE = {2: "bilinear", 3: "bicubic", 4: "area"}  # Pillow's; 4 is nearly so


def _preprocessing(default):
    def preprocessing(names, config, image_size):
        """As `preprocessor_config.json` says."""
        told = config.get("preprocessing")
        if told is None or not told.get("do_resize", True):
            return default
        kind = told.get("image_processor_type") or told.get("feature_extractor_type")
        kind = kind or "ViT"
        # What is not said is the processor's own, of which ViT's does not crop.
        is_vit = kind.startswith("ViT")
        resample = told.get("resample", 2 if is_vit else 3)
        size = told.get("size", 224)
        if isinstance(size, int):  # of the short side for some, of both for most
            size = {"shortest_edge" if kind.startswith("Bit") else "height": size}
        side = size.get("shortest_edge") or size.get("height")
        if resample not in RESAMPLE or not side:
            raise ValueError(f"resample={resample}, size={size}")
        crop = side
        if told.get("do_center_crop", not is_vit):
            crop = told.get("crop_size", 224)
            crop = crop if isinstance(crop, int) else crop["height"]
        return dataclasses.replace(
            default,
            aspect="short_side" if "shortest_edge" in size else "squash",
            method=RESAMPLE[resample],
            crop_fraction=crop / side,
        )

    return preprocessing


HUGGINGFACE = Source(
    name="huggingface",
    recognises=_has(".0.layernorm_before."),
    normalise=_normaliser(IN_MEMORY_VIT),
    rules=vit_rules,
    activation="gelu_erf",
    layer_norm_epsilon=None,  # in config.json, 1e-12 by default
    position_method=lambda stored, config: "bicubic",
    image_size=image_size,
    positions="embeddings.position_embeddings",
    arguments=arguments,
    pixels=_pixels(HALF),
    preprocessing=_preprocessing(PRESETS["huggingface"]),
    dropped_with_head=(
        "classifier.",
        "cls_classifier.",
        "distillation_classifier.",
        "pooler.",
    ),
)
DINOV2 = Source(
    name="dinov2",
    recognises=_has(".0.layer_scale1.lambda1"),
    normalise=_normaliser(IN_MEMORY),
    rules=lambda architecture: DINOV2_RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=dinov2_position_method,
    image_size=image_size,
    positions="embeddings.position_embeddings",
    arguments=arguments,
    pixels=_pixels(IMAGENET),
    preprocessing=_preprocessing(PRESETS["dinov2"]),
    dropped_with_head=("classifier.",),
)
