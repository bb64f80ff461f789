"""What the arrays of timm's files determine, and where they are not enough."""

import re
from typing import Any

from keras_vit.weights.sources.source import Arrays, Config
from keras_vit.weights.sources.timm_layouts import normalise
from keras_vit.weights.sources.timm_settings import arguments_of, name_of

NAMELESS = (
    "timm's files of {what} say too little by themselves: pass architecture=, timm's "
    "name of the model such as {example!r}, or put its config.json beside the file"
)


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    has_norm, has_fc_norm = "norm.weight" in stored, "fc_norm.weight" in stored
    info: dict[str, Any] = {
        "pooling": "token",
        "class_token": "cls_token" in stored,
        "fc_norm": has_fc_norm,
        "distillation": "dist_token" in stored,
        "qk_norm": "blocks.0.attn.q_norm.weight" in stored,
        "pre_norm": "norm_pre.weight" in stored,
        "patch_norm": "patch_embed.norm.weight" in stored,
        "patch_bias": "patch_embed.proj.bias" in stored,
        "final_norm": has_norm or has_fc_norm or not stored,
        "block": block_of(stored),
    }
    if has_fc_norm or not info["class_token"]:
        info["pooling"] = "gap"
    if "attn_pool.latent" in stored:
        pooling: dict[str, Any] = {"kind": "map"}
        inner, mlp = (
            stored.get(f"{root}.mlp.fc2.weight") for root in ("attn_pool", "blocks.0")
        )
        if inner and mlp and inner.shape[1] != mlp.shape[1]:
            pooling["mlp_dim"] = inner.shape[1]
        info["pooling"] = pooling
    if "reg_token" in stored:
        info["num_registers"] = stored["reg_token"].shape[1]
    if {"blocks.0.ls1.gamma", "blocks.0.gamma_1"} & stored.keys():
        info["layer_scale"] = 1.0
    if "head.weight" in stored:
        info["num_classes"] = stored["head.weight"].shape[0]
        info["head_bias"] = "head.bias" in stored
    if "pos_embed_x" in stored:
        info["position_embedding"] = "factorized"
    elif stored and "pos_embed" not in stored:
        info["position_embedding"] = "none"
    return info


def block_of(stored: Arrays) -> dict[str, Any]:
    """Return the fields of `BlockConfig` that the arrays determine."""
    attention = "blocks.0.attn"
    block: dict[str, Any] = {}
    if "blocks.0.norm1.weight" in stored and "blocks.0.norm1.bias" not in stored:
        block["norm"] = "rms"
    if "blocks.0.mlp.fc1_g.weight" in stored or is_packed(stored):
        block["mlp"] = "gated"
    if f"{attention}.q_bias" in stored or (
        f"{attention}.q_proj.bias" in stored
        and f"{attention}.k_proj.bias" not in stored
    ):
        block["qkv_bias"] = "query_value"
    elif stored and not {f"{attention}.qkv.bias", f"{attention}.q_proj.bias"} & (
        stored.keys()
    ):
        block["qkv_bias"] = "none"
    if stored and f"{attention}.proj.bias" not in stored:
        block["use_bias"] = False
    if f"{attention}.lambda_q1" in stored:
        block["attention"] = "differential"
    if f"{attention}.norm.weight" in stored:
        block["attention_norm"] = True
    if "blocks.0.mlp.norm.weight" in stored:
        block["mlp_norm"] = True
    if "blocks.0.gamma_1" in stored and "blocks.0.gamma_2" not in stored:
        block["mlp_layer_scale"] = False
    if "blocks.0.branches.1.norm1.weight" in stored:
        matches = (re.match(r"blocks\.0\.branches\.(\d+)\.", name) for name in stored)
        block["num_branches"] = 1 + max(int(match[1]) for match in matches if match)
    if any(name.endswith("relative_position_bias_table") for name in stored):
        block["relative_bias"] = {}
    hidden = stored.get(f"{attention}.rel_pos.mlp.fc1.weight")
    if hidden is not None:
        block["relative_bias"] = {"form": "mlp", "hidden_dim": hidden.shape[0]}
    return block


NEEDS_NAME = (  # a name that shows it, whose kind it is, and an example
    (
        r"blocks\.0\.(gamma_1|attn\.q_bias|attn\.q_proj\.weight)",
        "EVA's kind",
        "eva02_base_patch14_448",
    ),
    (r"norm_pre\.weight", "CLIP's and PE's kind", "vit_base_patch16_clip_224"),
    (r"attn_pool\.latent", "pooling by attention", "vit_base_patch16_siglip_224"),
    (
        r"blocks\.0\.in_proj\.weight",
        "parallel blocks",
        "vit_base_patch16_xp_224",
    ),
    (
        r"blocks\.0\.attns\.0\.norm\.weight",
        "blocks of branches",
        "vit_small_patch16_18x2_224",
    ),
    (r"embeds\..+", "NaFlexVit", "naflexvit_base_patch16_gap"),
    (r"patch_embed\.backbone\.0\.conv\.weight", "MobileCLIP", "vit_base_mci_224"),
)


def check_named(stored: Arrays, config: Config) -> None:
    """Refuse a bare file that could be several models, or one of rotary positions.

    Raises:
        ValueError: saying which name is missing.
    """
    if name_of(config) or "model_args" in config:
        return
    for pattern, what, example in NEEDS_NAME:
        if any(re.fullmatch(pattern, name) for name in stored):
            raise ValueError(NAMELESS.format(what=what, example=example))
    stored = normalise(stored)
    if block_of(stored):
        what = f"blocks with {', '.join(block_of(stored))} of their own"
        raise ValueError(NAMELESS.format(what=what, example="aimv2_large_patch14_224"))
    if "pos_embed" not in stored:
        what = "models without a table of positions"
        raise ValueError(NAMELESS.format(what=what, example="vit_base_patch16_dinov3"))


def check_activation(stored: Arrays, config: Config) -> None:
    """Refuse to guess the GELU of a bare file without a class token.

    timm's SigLIP encoders with average pooling have either form, by their names alone.

    Raises:
        ValueError: saying which name is missing.
    """
    if not (name_of(config) or "model_args" in config or "cls_token" in stored):
        what = "models without a class token"
        raise ValueError(NAMELESS.format(what=what, example="vit_base_patch16_gap_224"))


def says_heads(stored: Arrays, config: Config) -> bool:
    """Return whether settings say the heads of a model of this width.

    Those of an architecture's name are for its own width alone.
    """
    kernel = stored.get("patch_embed.proj.weight")
    width = arguments_of(config).get("embed_dim")
    stated = "num_heads" in config.get("model_args", {})
    return stated or kernel is None or width == kernel.shape[0]


def is_packed(stored: Arrays) -> bool:
    """Return whether the MLP's first layer holds its gate too."""
    first, last = (stored.get(f"blocks.0.mlp.{name}.weight") for name in ("fc1", "fc2"))
    return bool(first and last and first.shape[0] == 2 * last.shape[1])
