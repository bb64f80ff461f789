"""torchvision."""

import re
from collections.abc import Iterable
from typing import Any

from keras_vit.preprocessing import PRESETS, Preprocessing, resolve
from keras_vit.weights.files import Stored
from keras_vit.weights.sources.source import IMAGENET, Arrays, Config, Source
from keras_vit.weights.sources.torch_layout import dense, fused, norm
from keras_vit.weights.translate import AS_IS, PATCHES_TORCH

LAYER = "encoder.layers.encoder_layer_*"
RULES = {
    "patch_encoder/projection/kernel": ("conv_proj.weight", PATCHES_TORCH),
    "patch_encoder/projection/bias": ("conv_proj.bias", AS_IS),
    "patch_encoder/class_token": ("class_token", AS_IS),
    "patch_encoder/position_embedding": ("encoder.pos_embedding", AS_IS),
    **norm("block_*/norm1", f"{LAYER}.ln_1"),
    **fused(
        "block_*/attention",
        f"{LAYER}.self_attention.in_proj_weight",
        f"{LAYER}.self_attention.in_proj_bias",
    ),
    **dense("block_*/attention/out", f"{LAYER}.self_attention.out_proj"),
    **norm("block_*/norm2", f"{LAYER}.ln_2"),
    **dense("block_*/mlp/fc1", f"{LAYER}.mlp.0"),
    **dense("block_*/mlp/fc2", f"{LAYER}.mlp.3"),
    **norm("norm", "encoder.ln"),
    **dense("pre_logits", "heads.pre_logits"),
    **dense("head", "heads.head"),
}
OLD = {"linear_1": "0", "linear_2": "3"}  # before torchvision 0.14


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by the newer names of the MLP's layers."""
    return {
        re.sub(
            r"(?<=\.mlp\.)linear_[12](?=\.)", lambda old: OLD[old.group()], name
        ): array
        for name, array in stored.items()
    }


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info = {}
    if "heads.pre_logits.weight" in stored:
        info["representation_size"] = stored["heads.pre_logits.weight"].shape[0]
    if "heads.head.weight" in stored:
        info["num_classes"] = stored["heads.head.weight"].shape[0]
    return info


def preprocessing(
    names: Iterable[str], config: Config, image_size: int | None
) -> Preprocessing:
    """Return the preprocessing of its evaluation.

    Weights for more pixels than 224 are those of SWAG: bicubic, the whole image.
    """
    if (image_size or 224) > 224:
        return resolve("timm:1")
    return PRESETS["torchvision"]


TORCHVISION = Source(
    name="torchvision",
    recognises=lambda names: "conv_proj.weight" in names,
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=lambda stored, config: "bicubic_corners",
    patches="conv_proj.weight",
    positions="encoder.pos_embedding",
    mlp="encoder.layers.encoder_layer_*.mlp.3.weight",
    arguments=arguments,
    pixels=lambda config: IMAGENET,
    preprocessing=preprocessing,
    dropped_with_head=("heads.",),
    classifiers=("heads.head",),
)
