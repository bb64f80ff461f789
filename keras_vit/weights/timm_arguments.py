"""A model -> the arguments of timm's classes, and the layout of their arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_vit import layers
from keras_vit.weights.architecture import Architecture, describe
from keras_vit.weights.sources import timm_settings
from keras_vit.weights.sources.source import Spelling
from keras_vit.weights.sources.timm_architectures import ARCHITECTURES
from keras_vit.weights.sources.timm_settings import CLASS, USUAL

POOLINGS = {ours: theirs for theirs, ours in timm_settings.POOLINGS.items()}
ACTIVATIONS = {  # ours: timm's `act_layer`
    "gelu_erf": "gelu",
    "gelu_tanh": "gelu_tanh",
    "gelu_quick": "quick_gelu",
    "silu": "silu",
}


def row_of(name: str | None) -> dict[str, Any]:
    """Return the arguments of timm's class by the name of an architecture."""
    return ARCHITECTURES.get(name or "", {})


def spelling_of(architecture: Architecture, name: str | None) -> Spelling:
    """Return which layout of arrays timm's class of an architecture has.

    A key of `sources.timm.SPELLINGS` each.
    """
    row, block = row_of(name), architecture.blocks[0]
    kind, words = row.get(CLASS, USUAL), set()
    if kind in ("Eva", "Beit"):
        words.add("gamma")
    if not row.get("qkv_fused", True) or block.layout == "parallel":
        words.add("unfused")
    elif block.qkv_bias == "query_value":
        words.add("own_biases")
    if block.mlp == "gated":
        split = row.get("scale_mlp") or row.get("swiglu_align_to")
        split = split or row.get("mlp_layer") == "SwiGLU"
        words.add("split_gate" if split else "packed_gate")
    if kind == "VisionTransformerRelPos":
        words.add("table_inside")
    return frozenset(words)


def stated(model: keras.Model, name: str | None) -> dict[str, Any]:
    """Return what a `config.json` says of a model besides its architecture."""
    if row_of(name).get(CLASS, USUAL) != USUAL:
        return {}
    return {"act_layer": ACTIVATIONS[describe(model).activation]}


def model_args(
    model: keras.Model, name: str | None, patches_alone: bool
) -> dict[str, Any]:
    """Return the arguments with which timm's class builds a model, besides its row's.

    Args:
        model: a ViT that a factory of this package built.
        name: timm's, of an architecture.
        patches_alone: whether class token and registers have no positions there.
    """
    row = row_of(name)
    write = {
        "Eva": _of_eva,
        "Beit": _of_beit,
        "VisionTransformerRelPos": _of_relative,
        "NaFlexVit": _of_naflex,
    }.get(row.get(CLASS, USUAL), _of_usual)
    return _sizes(model, row) | write(model, patches_alone)


def _sizes(model: keras.Model, row: Mapping[str, Any]) -> dict[str, Any]:
    described, found = describe(model), {one.name: one for one in model.layers}
    encoder, block = found["patch_encoder"], found["block_00"]
    height, width = model.input_shape[1:3]
    # A packed gate is part of the width that the ratio is of, but for Eva's.
    packed = 2 if row.get("mlp_layer") == "GluMlp" else 1
    kind = described.pooling and described.pooling.kind
    sizes: dict[str, Any] = {
        "img_size": _one_or_two(height, width),
        "patch_size": _one_or_two(*_patch_size(described)),
        "embed_dim": encoder.hidden_dim,
        "depth": len(described.blocks),
        "num_heads": described.num_heads,
        "mlp_ratio": _ratio(packed * block.mlp_dim, encoder.hidden_dim),
        "global_pool": _global_pool(kind),
    }
    keys = [one.num_key_value_heads for one in described.blocks]
    if any(keys) or row.get("num_kv_heads"):
        sizes["num_kv_heads"] = [one or described.num_heads for one in keys]
    return sizes


def _patch_size(described: Architecture) -> tuple[int, int]:
    """That of `HybridEmbed`, which has no projection behind a stem of convolutions."""
    return (1, 1) if described.stem == "ConvStem" else described.patch_size


def _global_pool(kind: str | None) -> str:
    if kind not in POOLINGS:
        raise ValueError(
            f"timm's models cannot hold pooling={kind!r}. Expected one of "
            f"{', '.join(filter(None, POOLINGS))}, or None"
        )
    return POOLINGS[kind]


def _of_usual(model: keras.Model, patches_alone: bool) -> dict[str, Any]:
    described, found = describe(model), {one.name: one for one in model.layers}
    encoder, block = found["patch_encoder"], found["block_00"]
    config = described.blocks[0]
    scale: dict[str, Any] = {"init_values": block.layer_scale or 0.0}
    if config.layout == "parallel" and block.layer_scale is None:
        scale = {}  # where 0 would be a scale
    return scale | {
        "fc_norm": described.fc_norm,
        "class_token": encoder.class_token,
        "reg_tokens": described.num_registers,
        "no_embed_class": patches_alone,
        "pos_embed": "none" if encoder.positions is None else "learn",
        "qk_norm": block.qk_norm,
        "act_layer": ACTIVATIONS[described.activation],
        "qkv_bias": config.qkv_bias == "all",
        "proj_bias": config.use_bias,
        "pre_norm": "pre_norm" in found,
        "scale_attn_norm": config.attention_norm,
        "scale_mlp_norm": config.mlp_norm,
        "final_norm": "norm" in found,
        "pool_include_prefix": bool(
            described.pooling and described.pooling.prefix_tokens
        ),
    }


def _of_eva(model: keras.Model, patches_alone: bool) -> dict[str, Any]:
    described, found = describe(model), {one.name: one for one in model.layers}
    encoder, block = found["patch_encoder"], found["block_00"]
    attention: dict[str, Any] = {}
    if isinstance(found.get("pooling"), layers.AttentionPooling):
        pooling = found["pooling"]
        attention = {
            "attn_pool_num_heads": pooling.num_heads,
            "attn_pool_mlp_ratio": _ratio(pooling.mlp_dim, encoder.hidden_dim),
        }
    return attention | {
        "class_token": encoder.class_token,
        "num_reg_tokens": described.num_registers,
        "no_embed_class": patches_alone,
        "use_abs_pos_emb": encoder.positions is not None,
        "use_fc_norm": described.fc_norm,
        "use_post_transformer_norm": "norm" in found and not described.fc_norm,
        "init_values": block.layer_scale,
        "qk_norm": block.qk_norm,
    }


def _of_beit(model: keras.Model, patches_alone: bool) -> dict[str, Any]:
    block = model.get_layer("block_00")
    encoder: Any = model.get_layer("patch_encoder")
    return {
        "init_values": block.layer_scale,
        "use_abs_pos_emb": encoder.positions is not None,
    }


def _of_relative(model: keras.Model, patches_alone: bool) -> dict[str, Any]:
    described, block = describe(model), model.get_layer("block_00")
    config = described.blocks[0].relative_bias
    encoder: Any = model.get_layer("patch_encoder")
    sizes = {"rel_pos_dim": config.hidden_dim} if config else {}
    return sizes | {
        "fc_norm": described.fc_norm,
        "class_token": encoder.class_token,
        "init_values": block.layer_scale or 0.0,
        "qk_norm": block.qk_norm,
    }


def _of_naflex(model: keras.Model, patches_alone: bool) -> dict[str, Any]:
    described, found = describe(model), {one.name: one for one in model.layers}
    sizes = {
        "class_token": found["patch_encoder"].class_token,
        "reg_tokens": described.num_registers,
        "pos_embed_grid_size": list(described.grid),
        "init_values": found["block_00"].layer_scale,
        "qk_norm": found["block_00"].qk_norm,
        "fc_norm": described.fc_norm,
        "final_norm": "norm" in found,
    }
    return {key: value for key, value in sizes.items() if value is not None}


def _one_or_two(height: int, width: int) -> Any:
    return height if height == width else [height, width]


def _ratio(inner: int, width: int) -> float:
    """The ratio whose product with the width, rounded down, is `inner`."""
    ratio = inner / width
    return ratio if int(width * ratio) == inner else (inner + 0.5) / width
