"""Parts of a model that timm's class of an architecture has not, or has alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras


def differing_parts(
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
