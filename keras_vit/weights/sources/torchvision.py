"""torchvision."""

import re

from keras_vit.weights.sources.source import Source
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


def normalise(stored):
    """The newer names of the MLP's layers."""
    return {
        re.sub(
            r"(?<=\.mlp\.)linear_[12](?=\.)", lambda old: OLD[old.group()], name
        ): array
        for name, array in stored.items()
    }


TORCHVISION = Source(
    name="torchvision",
    recognises=lambda names: "conv_proj.weight" in names,
    normalise=normalise,
    rules=lambda architecture: RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method="bicubic_corners",
    dropped_with_head=("heads.",),
)
