"""From tokens to what stands for the image: Eq. 4, and what others have instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_vit import layers
from keras_vit.layers import PoolingConfig
from keras_vit.layers.tensors import Tensor


def pooling_of(model: keras.Model) -> PoolingConfig | None:
    """Return how a model makes one vector of its tokens; `None`: it returns them.

    Args:
        model: a ViT of this package, of this version or an earlier one, of which
            operations alone show it.
    """
    for layer in model.layers:
        arguments = getattr(layer, "arguments", None) or {}
        if isinstance(layer, layers.Features) and "pooling" in arguments:
            pooling = arguments["pooling"]
            return None if pooling is None else PoolingConfig.of(pooling)
    # `ops.mean` over the tokens of a functional model; there was no layer for it.
    means = [one for one in model.operations if type(one).__name__ == "Mean"]
    kinds = {type(one) for one in model.operations}
    kind = "token"
    if layers.AttentionPooling in kinds:
        kind = "map"
    elif layers.TokenMean in kinds or any(len(one.input.shape) == 3 for one in means):
        kind = "gap"
    return PoolingConfig(kind=kind)


def pooled(
    z: Tensor,
    config: PoolingConfig,
    num_prefix_tokens: int,
    *,
    sizes: Tensor | None = None,
    attention: Mapping[str, Any],
) -> Tensor:
    """Return what stands for the image, `(B, D)`, or `(B, 2 D)` of `"token_gap"`.

    Args:
        z: the tokens, `(B, T, D)`, those that are no patches first.
        config: the kind.
        num_prefix_tokens: how many are no patches.
        sizes: how many patches each token stands for, `(B, T)`; `None`: one.
        attention: the arguments of `AttentionPooling`, where config says nothing.
    """
    sizes_of = () if sizes is None else (sizes,)
    if config.kind == "token":
        return layers.TakeToken(0, name="pooling")(z)
    if config.kind == "prefix_gap":
        prefix = layers.TakePrefix(num_prefix_tokens, name="prefix_tokens")(z)
        return layers.TokenMean(name="pooling")(prefix)
    patches = z
    if num_prefix_tokens and not config.prefix_tokens:
        patches = layers.TakePatches(num_prefix_tokens, name="patch_tokens")(z)
    if config.kind == "map":
        own: dict[str, Any] = dict(attention)
        own["num_heads"] = config.num_heads or own["num_heads"]
        own["mlp_dim"] = config.mlp_dim or own["mlp_dim"]
        own["config"] = config
        return layers.AttentionPooling(**own, name="pooling")(patches, *sizes_of)
    if config.kind == "max":
        return keras.layers.GlobalMaxPooling1D(name="pooling")(patches)
    if config.kind == "gap":
        return layers.TokenMean(name="pooling")(patches, *sizes_of)
    mean = layers.TokenMean(name="pooling_mean")(patches, *sizes_of)
    if config.kind == "gap_max":
        most = keras.layers.GlobalMaxPooling1D(name="pooling_max")(patches)
        return keras.layers.Average(name="pooling")([most, mean])
    token = layers.TakeToken(0, name="pooling_token")(z)
    return keras.layers.Concatenate(name="pooling")([token, mean])
