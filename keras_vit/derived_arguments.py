"""How a model of an earlier version was built, by what its layers say of themselves."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit import compat, layers
from keras_vit.layers.features import as_json

# What earlier versions computed by bare operations of Keras.
OPERATIONS = ("GetItem", "Mean")
ENDS = (layers.Head, keras.layers.Average)


def derived_arguments(model: keras.Model) -> tuple[str, dict[str, Any]] | None:
    """Return the builder of a model without kept arguments, and its arguments.

    Args:
        model: a functional Keras model.

    Returns:
        `"ViT"` or `"ResNet"`, and what to call it with; `None` for a model that
        is neither, or that something was added to.
    """
    if not ends_as_built(model):
        return None
    if _all(model, layers.PatchEncoder) and _all(model, layers.TransformerBlock):
        return "ViT", _of_vit(model)
    if _all(model, layers.ResNetStem):
        return "ResNet", _of_resnet(model)
    return None


def ends_as_built(model: keras.Model) -> bool:
    """Return whether a model computes and ends as this package's builders have it."""
    if isinstance(model, keras.Sequential):  # that has no list of operations
        return False
    bare = {
        type(one).__name__
        for one in model.operations
        if not isinstance(one, keras.layers.Layer)
    }
    if not bare <= {*OPERATIONS} or len(model.outputs) != 1:
        return False
    last, _ = compat.node_of(model.outputs[0])
    return isinstance(last, ENDS) or last.name == "features"


def _all(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def _of_resnet(model: keras.Model) -> dict[str, Any]:
    stem, heads = _all(model, layers.ResNetStem)[0], _all(model, layers.Head)
    return {
        "num_classes": heads[0].units if heads else None,
        "blocks": list(stem.blocks),
        "width_factor": stem.width_factor,
        "image_size": list(model.input_shape[1:3]),
        "name": model.name,
    }


def _of_vit(model: keras.Model) -> dict[str, Any]:
    blocks, heads = _all(model, layers.TransformerBlock), _all(model, layers.Head)
    encoder, patches = _all(model, layers.PatchEncoder)[0], _all(model, layers.Patches)
    first, last = blocks[0], blocks[-1]
    pre_logits = [
        layer
        for layer in _all(model, keras.layers.Dense)
        if not isinstance(layer, layers.Head)
    ]
    norms = _all(model, keras.layers.LayerNormalization)
    dropped = _all(model, layers.PatchDropout)
    pixels = _all(model, layers.PixelNormalization)
    return {
        "num_classes": heads[0].units if heads else None,
        "image_size": list(model.input_shape[1:3]),
        "patch_size": list(patches[0].patch_size),
        "num_layers": len(blocks),
        "num_heads": first.num_heads,
        "hidden_dim": encoder.hidden_dim,
        "mlp_dim": first.mlp_dim,
        "stem": _stem(model),
        "pooling": _pooling(model),
        "representation_size": pre_logits[0].units if pre_logits else None,
        **_positions(model, encoder, first),
        "position_interpolation": encoder.position_interpolation,
        "num_registers": encoder.num_registers,
        "class_token": encoder.class_token,
        "distillation": encoder.distillation_token,
        "fc_norm": len(norms[-1].output.shape) == 2,
        "layer_scale": first.layer_scale,
        "qk_norm": first.qk_norm,
        "dropout_rate": encoder.dropout_rate,
        "attention_dropout_rate": first.attention_dropout_rate,
        "drop_path_rate": last.drop_path_rate,
        "token_merging": getattr(first, "token_merging", 0),
        "patch_dropout_rate": dropped[0].rate if dropped else 0.0,
        "activation": first.activation,
        "layer_norm_epsilon": first.layer_norm_epsilon,
        "block": first.config.as_dict() or None,
        "patch_bias": encoder.use_bias,
        "patch_norm": encoder.norm is not None,
        "pre_norm": False,
        "final_norm": True,
        "head_bias": heads[0].use_bias if heads else True,
        "include_preprocessing": bool(pixels),
        **_pixels(pixels[0] if pixels else None),
        "name": model.name,
    }


def _stem(model: keras.Model) -> str | None:
    """The name of the layer between normalised pixels and patches, if there is one."""
    other = keras.layers.InputLayer, layers.PixelNormalization
    for layer in model.layers:
        if isinstance(layer, layers.Patches):
            return None
        if not isinstance(layer, other):
            return layer.name
    return None


def _pooling(model: keras.Model) -> str:
    if _all(model, layers.AttentionPooling):
        return "map"
    means = [one for one in model.operations if type(one).__name__ == "Mean"]
    return "gap" if means or _all(model, layers.TokenMean) else "token"


def _positions(model: keras.Model, encoder: Any, block: Any) -> dict[str, str]:
    added = _all(model, layers.PositionEmbedding)
    if added:
        shared = len(added) < len(_all(model, layers.TransformerBlock))
        kind = added[0].kind
        place = "every_layer_shared" if shared or added[0].name == "positions" else ""
        place = place or "every_layer"
    elif block.position_embedding != "none":
        kind, place = block.position_embedding, "every_layer"
    else:
        kind, place = encoder.position_embedding, "input"
    return {"position_embedding": kind, "position_embedding_at": place}


def _pixels(layer: layers.PixelNormalization | None) -> dict[str, Any]:
    if layer is None:
        return {
            "pixel_mean": 127.5,
            "pixel_std": 127.5,
            "evaluation_preprocessing": None,
        }
    return {
        "pixel_mean": as_json(np.asarray(layer.input_mean)),
        "pixel_std": as_json(np.sqrt(np.asarray(layer.input_variance))),
        "evaluation_preprocessing": as_json(layer.evaluation),
    }
