"""Hugging Face transformers: BEiT, and Data2Vec's network, which is the same.

All blocks may share one table of relative positions. Here each has its own, which
are then equal.
"""

import re
from typing import Any

import numpy as np

from keras_vit.weights.architecture import Architecture
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_names as names_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources.huggingface_config import Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import (
    Family,
    common,
    named,
    with_dropout,
)
from keras_vit.weights.sources.huggingface_names import LAYER
from keras_vit.weights.sources.huggingface_siglip import SQUASHED
from keras_vit.weights.sources.source import HALF, Arrays, Config, Source, Spelling
from keras_vit.weights.sources.torch_layout import dense, norm
from keras_vit.weights.translate import AS_IS, Rules

TABLE = "relative_position_bias.relative_position_bias_table"
OF_BLOCK = f"{LAYER}.attention.attention.{TABLE}"
SHARED = f"encoder.{TABLE}"
IN_MEMORY = names_file.IN_MEMORY_VIT | {
    "relative_position_bias": "attention.attention.relative_position_bias"
}
RULES = (
    names_file.RULES
    | names_file.MLP_OF_VIT
    | {
        **norm("block_*/norm1", f"{LAYER}.layernorm_before"),
        "block_*/scale1/gamma": (f"{LAYER}.lambda_1", AS_IS),
        **norm("block_*/norm2", f"{LAYER}.layernorm_after"),
        "block_*/scale2/gamma": (f"{LAYER}.lambda_2", AS_IS),
        **dense("head", "classifier"),
    }
)
DEFAULTS = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "num_attention_heads": 12,
    "image_size": 224,
    "use_relative_position_bias": False,
    "use_shared_relative_position_bias": False,
}


def _further(settings: Config) -> dict[str, Any]:
    """Return a block's relative biases."""
    tables = [
        name
        for name in ("use_relative_position_bias", "use_shared_relative_position_bias")
        if settings.get(name)
    ]
    if len(tables) > 1:
        raise ValueError(
            "keras_vit's models have one table of relative positions a block, not one "
            f"of its own and one that is shared. Received: {'=True, '.join(tables)}"
            "=True, as config.json says"
        )
    size = settings.get("image_size", 0)
    if tables and not isinstance(size, int) and size[0] != size[1]:
        raise ValueError(
            "keras_vit does not support relative positions of images that are not "
            "square, whose tables transformers' code transposes. Received: "
            f"image_size={size} in config.json"
        )
    if "model_type" not in settings:
        return {}
    return {"block": {"relative_bias": {} if tables else None}}


FIELDS = Fields(
    kinds=dict.fromkeys(("beit", "data2vec-vision"), DEFAULTS), further=_further
)


def spelling(stored: Arrays) -> Spelling:
    """Return whether blocks share a table."""
    return frozenset({"shared"} if SHARED in stored else ())


def rules(architecture: Architecture, spelling: Spelling) -> Rules:
    """Return the rules of an architecture, of its final norm and of its tables."""
    table = SHARED if "shared" in spelling else OF_BLOCK
    final = "pooler.layernorm" if architecture.fc_norm else "layernorm"
    return RULES | {
        "block_*/attention/relative_bias/table": (table, AS_IS),
        **norm("norm", final),
    }


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names."""
    names = names_file.normalised(stored, IN_MEMORY)
    return {
        re.sub(
            r"^shared_position_bias\.", "encoder.relative_position_bias.", name
        ): array
        for name, array in names.items()
        if not name.endswith("relative_position_index")  # of older versions
    }


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    has_table = any(name.endswith(TABLE) for name in stored)
    has_positions = names_file.POSITIONS in stored
    info: dict[str, Any] = {
        "class_token": True,
        "pooling": None,
        "position_embedding": "learned" if has_positions else "none",
        "block": {
            "qkv_bias": "query_value",
            "relative_bias": {} if has_table else None,
        },
    }
    if "encoder.layer.0.lambda_1" in stored:
        info["layer_scale"] = 0.1
    if "pooler.layernorm.weight" in stored:  # of the mean of the patches
        info |= {"pooling": "gap", "fc_norm": True}
    elif "layernorm.weight" in stored:
        info["pooling"] = "token"
    else:
        info["final_norm"] = False
    if "classifier.weight" in stored:
        info["num_classes"] = stored["classifier.weight"].shape[0]
    return info


BEIT = Source(
    name="beit",
    kinds=tuple(FIELDS.kinds),
    recognises=names_file.has(r"layernorm_before\."),  # ViT's, without what follows
    normalise=normalise,
    rules=rules,
    activation="gelu_erf",
    layer_norm_epsilon=1e-12,
    position_method=lambda stored, config: "bicubic",
    image_size=FIELDS.image_size,
    patches=names_file.PATCHES,
    positions=names_file.POSITIONS,
    mlp=f"{LAYER}.output.dense.weight",
    arguments=arguments,
    pixels=processor_file.pixels(HALF, "Beit"),
    preprocessing=processor_file.preprocessing(SQUASHED, "Beit"),
    dropped_with_head=("classifier.",),
    left_out=names_file.LEFT_OUT,
    spelling=spelling,
    classifiers=("classifier",),
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
)


def _tables(facts):
    return [
        array
        for path, array in facts.weights.items()
        if path.endswith("relative_bias/table")
    ]


def _shares(facts: Facts) -> bool:
    """Whether blocks' tables are equal, as where they came from a shared one."""
    tables = _tables(facts)
    return len(tables) > 1 and all(np.array_equal(tables[0], one) for one in tables)


def _config(facts: Facts) -> dict[str, Any]:
    """Return `config.json`."""
    has_table, shares = bool(_tables(facts)), _shares(facts)
    scale = facts.arguments["layer_scale"]
    kind = "Beit", "beit"
    if not facts.arguments["final_norm"]:  # whose class has no pooler without a head
        kind = "Data2VecVision", "data2vec-vision"
    return (
        named(*kind, facts)
        | common(facts)
        | with_dropout(facts)
        | {
            "layer_scale_init_value": scale or 0.0,
            "drop_path_rate": 0.0,
            "use_absolute_position_embeddings": facts.has_positions,
            "use_relative_position_bias": has_table and not shares,
            "use_shared_relative_position_bias": shares,
            "use_mean_pooling": (
                facts.arguments["fc_norm"] or not facts.arguments["final_norm"]
            ),
        }
    )


FAMILY = Family(
    source=BEIT,
    config=_config,
    spelling=lambda facts: frozenset({"shared"} if _shares(facts) else ()),
)
