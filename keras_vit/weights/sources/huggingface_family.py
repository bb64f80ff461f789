"""How a model is written for one of transformers' families of classes.

What the families have in common of their `config.json`; the rest stands in the file
of each, beside how it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_vit.weights.sources.huggingface_config import ACTIVATIONS, QKV_BIAS
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_names import POSITIONS, REGISTERS
from keras_vit.weights.sources.source import Source, Spelling

Written = dict[str, np.ndarray]  # arrays by the names in a file
HIDDEN_ACT = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
HIDDEN_ACT["gelu_tanh"] = "gelu_pytorch_tanh"
HAS_BIAS = {ours: theirs for theirs, ours in QKV_BIAS.items()}


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of classes, as models are written for it.

    Attributes:
        source: whose names its files have.
        config: the facts of a model -> its `config.json`; a ValueError that
            names what its classes do not have.
        prefix: of the backbone's names where a head is beside it; `""`: the
            `model_type`.
        spelling: the facts -> which of the source's layouts is written.
        finished: arrays by the source's canonical names, the facts -> those of
            the file, still without prefix.
    """

    source: Source
    config: Callable[[Facts], dict[str, Any]]
    prefix: str = ""
    spelling: Callable[[Facts], Spelling] = lambda facts: frozenset()
    finished: Callable[[Written, Facts], Written] = lambda arrays, facts: arrays


def common(facts: Facts, epsilon: str = "layer_norm_eps") -> dict[str, Any]:
    """Return what every family's settings say."""
    height, width = facts.image_size
    patch, other = facts.architecture.patch_size
    if patch != other:
        raise ValueError(f"patches that are not square, of {patch} x {other} pixels")
    return {
        "hidden_size": facts.hidden_dim,
        "num_hidden_layers": facts.num_layers,
        "num_attention_heads": facts.architecture.num_heads,
        "intermediate_size": facts.mlp_dim,
        "hidden_act": HIDDEN_ACT[facts.architecture.activation],
        epsilon: facts.architecture.layer_norm_epsilon,
        "image_size": height if height == width else [height, width],
        "patch_size": patch,
        "num_channels": 3,
    }


def square(facts: Facts) -> dict[str, Any]:
    """Return the same of families whose classes know square images alone."""
    height, width = facts.image_size
    if height != width:
        raise ValueError(f"images that are not square, of {height} x {width} pixels")
    return common(facts)


def with_dropout(facts: Facts) -> dict[str, Any]:
    """Return the settings on dropout and on biases of ViT's nearest kin."""
    return {
        "hidden_dropout_prob": facts.dropout_rate,
        "attention_probs_dropout_prob": facts.attention_dropout_rate,
        "qkv_bias": HAS_BIAS.get(facts.architecture.blocks[0].qkv_bias, True),
    }


def named(name: str, kind: str, facts: Facts) -> dict[str, Any]:
    """Return the kind and the class of a model with a classifier, or without one."""
    task = "ForImageClassification" if facts.has_head else "Model"
    return {"architectures": [f"{name}{task}"], "model_type": kind}


def tower(facts: Facts, name: str, kind: str, ending: str = "") -> dict[str, Any]:
    """Return the settings of a tower, or of the whole that a classifier is part of."""
    inner = square(facts) | {"attention_dropout": facts.attention_dropout_rate}
    inner["model_type"] = f"{kind}_vision_model"
    if facts.has_head and not ending:
        return named(name, kind, facts) | {"vision_config": inner}
    return inner | {"architectures": [f"{name}VisionModel{ending}"]}


def mlp_ratio(facts: Facts) -> dict[str, Any]:
    """Return the settings on an MLP whose width is a multiple of a token's.

    A gated one is two thirds of that, up to the next multiple of 8.
    """
    width, dim = facts.mlp_dim, facts.hidden_dim
    for ratio in range(1, 17):
        inner = dim * ratio
        if facts.is_gated:
            inner = (int(inner * 2 / 3) + 7) // 8 * 8
        if inner == width:
            return {"mlp_ratio": ratio}
    raise ValueError(f"mlp_dim={width}, which is no whole mlp_ratio of {dim}")


def with_mask(arrays: Written, facts: Facts, name: str, *before: int) -> Written:
    """Add the mask token that a class always has, of shape `(*before, D)`."""
    return {**arrays, name: np.zeros((*before, facts.hidden_dim), np.float32)}


def with_positions_of_registers(arrays: Written) -> Written:
    """Give registers, whose positions are part of them, positions of zero."""
    table, count = arrays[POSITIONS], arrays[REGISTERS].shape[1]
    zeros = np.zeros((1, count, table.shape[2]), table.dtype)
    table = np.concatenate([table[:, :1], zeros, table[:, 1:]], axis=1)
    return {**arrays, POSITIONS: table}
