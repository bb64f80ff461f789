"""In what a model differs from what timm builds by the name of an architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_vit.weights.architecture import describe
from keras_vit.weights.file_arguments import plain
from keras_vit.weights.sources import timm_settings
from keras_vit.weights.sources.timm_layouts import BRANCHED
from keras_vit.weights.sources.timm_settings import CLASS, USUAL
from keras_vit.weights.timm_arguments import row_of

OF_ROW = ("layout", "rotary", "attention")  # of blocks: what names alone say
GATED = ("GluMlp", "SwiGLU")
# What its usual class takes as arguments that JSON holds, whatever its name says.
STATED = {
    *("act_layer", "qkv_bias", "proj_bias", "pre_norm"),
    *("scale_attn_norm", "scale_mlp_norm"),
}


def differences(model: keras.Model, name: str | None) -> list[str]:
    """Return timm's arguments in which an architecture differs from a model.

    Args:
        model: a ViT that a factory of this package built.
        name: of timm's architecture; `None`: its class with nothing said.
    """
    described, row = describe(model), row_of(name)
    settings = timm_settings.settings({"architecture": name} if name else {})
    block = plain("block", settings.get("block", {}))
    ours = plain("block", described.blocks)
    found = []
    for argument, usual, theirs in (
        ("activation", "gelu_erf", "act_layer"),
        ("layer_norm_epsilon", timm_settings.EPSILON, "norm_layer"),
    ):
        expected = settings.get(argument, usual)
        if expected != getattr(described, argument):
            found.append(theirs)
    if _named(ours) != _named(block):
        found.append("blocks")
    first = described.blocks[0]
    for theirs, expected, has in (
        (
            "norm_layer",
            str(row.get("norm_layer")).startswith("rms"),
            first.norm == "rms",
        ),
        ("mlp_layer", _is_gated(row), first.mlp == "gated"),
        (
            "pos_embed",
            row.get("pos_embed") == "factorized",
            described.position_embedding == "factorized",
        ),
        (
            "pos_embed_ar_preserving",
            _reads_corner(row) and len({*described.grid}) > 1,
            False,
        ),
        ("block_fn", 1 + (row.get("block_fn") == BRANCHED), first.num_branches),
        ("qkv_bias", _qkv_biases(row, name), first.qkv_bias),
        ("proj_bias", row.get("proj_bias", True), first.use_bias),
        ("scale_attn_norm", _says(row, "scale_attn"), first.attention_norm),
        ("scale_mlp_norm", _says(row, "scale_mlp"), first.mlp_norm),
        ("rel_pos_type", _has_biases(row), first.relative_bias is not None),
        ("pre_norm", _says(row, "pre_norm", "use_pre_"), "pre_norm" in _layers(model)),
    ):
        if expected != has and expected is not None:
            found.append(theirs)
    usual_class = row.get(CLASS, USUAL) == USUAL
    found += _differing_parts(model, row, usual_class)
    can_state = usual_class and first.qkv_bias != "query_value"
    return sorted({*found} - (STATED if can_state else set()))


def _named(block):
    blocks = block if isinstance(block, list) else [block]
    found = [{key: one[key] for key in OF_ROW if key in one} for one in blocks]
    return found[0] if all(one == found[0] for one in found) else found


def _layers(model):
    return {layer.name: layer for layer in model.layers}


def _says(row, *beginnings):
    return any(bool(row[key]) for key in row if key.startswith(beginnings))


def _is_gated(row):
    return bool(row.get("swiglu_mlp")) or row.get("mlp_layer") in GATED


def _has_biases(row):
    relative = row.get(CLASS) == "VisionTransformerRelPos"
    return relative or bool(row.get("use_rel_pos_bias"))


def _reads_corner(row):
    """Whether a table of another height than width is resized even for its own grid."""
    both = row.get("pos_embed"), row.get("pos_embed_ar_preserving")
    return both == ("factorized", True)


def _qkv_biases(row, name):
    """Which have biases; `None` where an argument of timm's says either."""
    if not row.get("qkv_bias", True):
        return "none"
    of_eva = row.get(CLASS) in ("Eva", "Beit") and row.get("attn_type") != "rope"
    if of_eva:
        return "query_value"
    return "all" if name else None


def _differing_parts(
    model: keras.Model, row: Mapping[str, Any], is_usual: bool
) -> list[str]:
    """Return, in timm's words, the parts in which a model differs from a class.

    Args:
        model: a ViT that a factory of this package built.
        row: the arguments of timm's class by the name of an architecture.
        is_usual: whether that is `VisionTransformer`.
    """
    found: dict[str, Any] = {layer.name: layer for layer in model.layers}
    encoder, block, head = found["patch_encoder"], found["block_00"], found.get("head")
    has_bias = "pre_norm" not in found  # of the usual class's patches
    config = block.config
    differs = {
        "head_bias": head is not None and not head.use_bias,
        "embed_norm_layer": bool(row.get("embed_norm_layer")) != bool(encoder.norm),
        "num_kv_heads": config.num_key_value_heads and not row.get("num_kv_heads"),
        "layer scale of MLPs": is_usual
        and block.layer_scale is not None
        and not config.mlp_layer_scale,
        "bias of patches": is_usual and encoder.use_bias != has_bias,
    }
    return [name for name, has_other in differs.items() if has_other]
