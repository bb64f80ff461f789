"""Hugging Face transformers: Pixio, whose image is the mean of its class tokens.

Here the first of these is the class token, the others are registers, whose positions
are part of them.
"""

from typing import Any

import numpy as np

from keras_vit.preprocessing import PRESETS
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_names as names_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources.huggingface_config import Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import (
    Family,
    Written,
    mlp_ratio,
    named,
    square,
    with_dropout,
    with_positions_of_registers,
)
from keras_vit.weights.sources.huggingface_names import CLASS_TOKEN, LAYER, REGISTERS
from keras_vit.weights.sources.source import IMAGENET, Arrays, Source
from keras_vit.weights.sources.torch_layout import norm

RULES = (
    names_file.RULES
    | names_file.MLP_OF_VIT
    | {
        **norm("block_*/norm1", f"{LAYER}.norm1"),
        **norm("block_*/norm2", f"{LAYER}.norm2"),
    }
)
IN_MEMORY = names_file.IN_MEMORY_VIT | {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
}
DEFAULTS = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "num_attention_heads": 16,
    "image_size": 256,
    "qkv_bias": True,
}
FIELDS = Fields(
    kinds={"pixio": DEFAULTS},
    supported={"qkv_bias": (True, False)},
    further=config_file.qkv_bias,
)


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names, the class tokens but the first as registers."""
    names = names_file.normalised(stored, IN_MEMORY)
    tokens = names.get(CLASS_TOKEN)
    if tokens is not None and tokens.shape[1] > 1:
        names[CLASS_TOKEN] = tokens.changed(lambda array: array[:, :1])
        names[REGISTERS] = tokens.changed(lambda array: array[:, 1:])
    return names


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {"class_token": True, "pooling": "prefix_gap"}
    if REGISTERS in stored:
        info["num_registers"] = stored[REGISTERS].shape[1]
    if "encoder.layer.0.attention.attention.query.bias" not in stored:
        info["block"] = {"qkv_bias": "none"}
    return info


def _recognises(names):
    """Whether there are DINOv2's norms and ViT's MLPs, or in memory all of ViT's.

    The latter are taken for ViT's where `config.json` does not say.
    """
    on_disk = names_file.has(r"norm1\.")(names)
    on_disk = on_disk and names_file.has(r"intermediate\.")(names)
    return on_disk or names_file.has(r"layernorm_before\.")(names)


PIXIO = Source(
    name="pixio",
    kinds=tuple(FIELDS.kinds),
    recognises=_recognises,
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=lambda stored, config: "bicubic",
    image_size=FIELDS.image_size,
    first_rows=names_file.first_rows,
    aligned=names_file.aligned,
    patches=names_file.PATCHES,
    positions=names_file.POSITIONS,
    mlp=f"{LAYER}.output.dense.weight",
    arguments=arguments,
    pixels=processor_file.pixels(IMAGENET, "Bit"),
    preprocessing=processor_file.preprocessing(PRESETS["dinov2"], "Bit"),
    left_out=names_file.LEFT_OUT,
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
)


def _config(facts: Facts) -> dict[str, Any]:
    """Return `config.json`."""
    if facts.has_head:
        raise ValueError("a head, which Pixio's classes do not have")
    config = named("Pixio", "pixio", facts) | square(facts) | with_dropout(facts)
    count = 1 + facts.arguments["num_registers"]
    return config | mlp_ratio(facts) | {"n_cls_tokens": count}


def _finished(arrays: Written, facts: Facts) -> Written:
    """Make registers class tokens again."""
    if REGISTERS not in arrays:
        return arrays
    arrays = with_positions_of_registers(arrays)
    tokens = arrays[CLASS_TOKEN], arrays.pop(REGISTERS)
    return {**arrays, CLASS_TOKEN: np.concatenate(tokens, axis=1)}


FAMILY = Family(source=PIXIO, config=_config, finished=_finished)
