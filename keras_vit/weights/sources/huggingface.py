"""Hugging Face transformers: ViT and DeiT, and DINOv2.

Canonical are the names on disk, without the prefix of the backbone. Newer
versions of the library use other names in memory; both are read.
"""

import re
from collections.abc import Mapping
from typing import Any

from keras_vit.preprocessing import PRESETS
from keras_vit.weights.architecture import Architecture
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources.source import (
    HALF,
    IMAGENET,
    Arrays,
    Config,
    Source,
    Spelling,
)
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH, Rules

PREFIX = re.compile(r"^(vit|deit|dinov2|dinov2_with_registers)\.")
BLOCK_0 = rf"(?:{PREFIX.pattern.removeprefix('^')})?(?:encoder\.layer|layers)\.0\."
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
    **dense("head", "classifier"),
}


def vit_rules(architecture: Architecture, spelling: Spelling) -> Rules:
    """Return the rules of ViT, or of DeiT with a teacher, which has two heads."""
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
        if "classifier.weight" in names:  # which reads the class token itself
            names = {k: v for k, v in names.items() if not k.startswith("pooler.")}
        return names

    return normalise


def _has(part):
    pattern = re.compile(BLOCK_0 + re.escape(part))
    return lambda names: any(pattern.match(name) for name in names)


def dinov2_position_method(stored: Arrays, config: Config) -> str:
    """Return the rule of its code, which antialiases for models with registers only."""
    has_registers = any(name.endswith("register_tokens") for name in stored)
    return "bicubic_antialias" if has_registers else "bicubic"


def image_size(config: Config) -> tuple[int, int] | None:
    """Return `image_size` of `config.json`, an integer or (height, width) there."""
    info = config.get("image_size")
    return (info, info) if isinstance(info, int) else info and tuple(info)


def arguments(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {"distillation": "embeddings.distillation_token" in stored}
    if "embeddings.register_tokens" in stored:
        info["num_registers"] = stored["embeddings.register_tokens"].shape[1]
    if "encoder.layer.0.layer_scale1.lambda1" in stored:
        info["layer_scale"] = 1.0
    if "pooler.dense.weight" in stored:
        info["representation_size"] = stored["pooler.dense.weight"].shape[0]
    for name in ("classifier.weight", "cls_classifier.weight"):
        if name in stored and not _is_foreign(stored):
            info["num_classes"] = stored[name].shape[0]
    return info


def _is_foreign(stored):
    """Whether the classifier is one that no model here has.

    DINOv2's reads the class token and the patches' mean, DeiT's without a teacher
    the class token alone, where there is a distillation token.
    """
    head, token = stored.get("classifier.weight"), stored.get("embeddings.cls_token")
    if None in (head, token):
        return False
    is_alone = "embeddings.distillation_token" in stored
    return is_alone or head.shape[1] == 2 * token.shape[-1]


def _assumed(config):
    """Say what is assumed of a file whose repository does not tell."""
    missing = []
    if "model_type" not in config:
        missing.append("GELU in its erf form and epsilon, of config.json")
    if "preprocessing" not in config:
        missing.append("mean and std and resizing, of preprocessor_config.json")
    if not missing:
        return None
    return f"{', and '.join(missing)}, which is not beside it"


HUGGINGFACE = Source(
    name="huggingface",
    recognises=_has("layernorm_before."),
    normalise=_normaliser(IN_MEMORY_VIT),
    rules=vit_rules,
    activation="gelu_erf",
    layer_norm_epsilon=None,  # in config.json, 1e-12 by default
    position_method=lambda stored, config: "bicubic",
    image_size=image_size,
    patches="embeddings.patch_embeddings.projection.weight",
    positions="embeddings.position_embeddings",
    mlp="encoder.layer.*.output.dense.weight",
    arguments=arguments,
    pixels=processor_file.pixels(HALF, "ViT"),
    preprocessing=processor_file.preprocessing(PRESETS["huggingface"], "ViT"),
    dropped_with_head=(
        "classifier.",
        "cls_classifier.",
        "distillation_classifier.",
        "pooler.",
    ),
    classifiers=("classifier", "cls_classifier", "distillation_classifier"),
    settings=config_file.settings,
    class_names=config_file.class_names,
    assumed=_assumed,
    check_pre_logits=config_file.check_pooler,
)
DINOV2 = Source(
    name="dinov2",
    recognises=_has("layer_scale1.lambda1"),
    normalise=_normaliser(IN_MEMORY),
    rules=lambda architecture, spelling: DINOV2_RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=dinov2_position_method,
    image_size=image_size,
    patches="embeddings.patch_embeddings.projection.weight",
    positions="embeddings.position_embeddings",
    mlp="encoder.layer.*.mlp.fc2.weight",
    arguments=arguments,
    pixels=processor_file.pixels(IMAGENET, "Bit"),
    preprocessing=processor_file.preprocessing(PRESETS["dinov2"], "Bit"),
    dropped_with_head=("classifier.",),
    classifiers=("classifier",),
    settings=config_file.settings,
    class_names=config_file.class_names,
    assumed=_assumed,
    check_pre_logits=config_file.check_pooler,
)
