"""What timm's settings say of arrays, beside the arrays themselves.

timm builds a model by its settings and loads a file strictly into it. Here arrays
decide what they can, so that settings of another model would be noticed by nobody:
its rotary positions, its activation and its heads would be taken for the file's.
"""

import re
from typing import Any

from keras_vit.weights.sources.source import Arrays, Config
from keras_vit.weights.sources.timm_arrays import arguments
from keras_vit.weights.sources.timm_layouts import LINEAR, normalise
from keras_vit.weights.sources.timm_settings import (
    CLASS,
    NOTHING,
    USUAL,
    arguments_of,
    name_of,
)

WITHOUT_CLASS_TOKEN = ("VisionTransformerRelPos", "NaFlexVit")  # where nothing is said


def check_settings(stored: Arrays, config: Config) -> None:
    """Refuse settings that are of another model than the arrays.

    Args:
        stored: arrays by the names in the file.
        config: as `opening.open_weights` returns it.

    Raises:
        ValueError: naming each difference.
    """
    _check_patches(stored, config)
    shown = _shown(stored)
    stated = _of_name(config) | _of_model_args(config)
    wrong = [
        f"{key}={value!r} (by arrays {shown[key]!r})"
        for key, value in stated.items()
        if shown.get(key, value) != value
    ]
    if wrong:
        raise ValueError(
            "These settings are of another model than the arrays. Expected the "
            "config.json, or the architecture=, with which timm built it. Received: "
            f"{name_of(config) or 'model_args'}, with {', '.join(wrong)}"
        )


def _check_patches(stored, config):
    """Refuse NaFlexViT's patches of other shapes, whose sides no array shows."""
    size = config.get("model_args", {}).get("patch_size")
    if LINEAR in stored and isinstance(size, list | tuple) and len({*size}) > 1:
        raise ValueError(
            "keras_vit reads square patches of NaFlexViT. Received: patch_size="
            f"{tuple(size)} in config.json. Load it with timm."
        )


def _shown(stored: Arrays) -> dict[str, Any]:
    """What arrays show, by the words of the settings below."""
    arrays = normalise(stored)
    found = arguments(arrays)
    block = found["block"]
    numbers = [re.match(r"blocks\.(\d+)\.", name) for name in arrays]
    shown = {
        "class_token": found["class_token"],
        "a table of positions": any("pos_embed" in name for name in stored),
        "pre_norm": found["pre_norm"],
        "a gated MLP": block.get("mlp") == "gated",
        "relative positions": "relative_bias" in block,
        "depth": 1 + max(int(match[1]) for match in numbers if match),
        "reg_tokens": found.get("num_registers", 0),
        "qk_norm": found["qk_norm"],
        "layer scale": "layer_scale" in found,
    }
    if any(name.startswith("blocks.0.attn.") for name in arrays):
        shown["qkv_bias"] = block.get("qkv_bias") != "none"
    kernel = arrays.get("patch_embed.proj.weight")
    if kernel is not None:
        shown["embed_dim"] = kernel.shape[0]
    if kernel is not None and kernel.shape[1] == 3:  # of pixels
        shown["patch_size"] = tuple(kernel.shape[2:])
    return shown


def _of_name(config: Config) -> dict[str, Any]:
    """What an architecture with its `model_args` says, defaults of its class too."""
    if not name_of(config):
        return {}
    theirs = arguments_of(config)
    kind = theirs.get(CLASS, USUAL)
    relative = theirs.get("use_rel_pos_bias") or theirs.get("use_shared_rel_pos_bias")
    positions = theirs.get("pos_embed", "learn") not in (*NOTHING, "none")
    if kind in ("Eva", "Beit"):
        positions = theirs.get("use_abs_pos_emb", True)
    stated: dict[str, Any] = {
        "class_token": theirs.get("class_token", kind not in WITHOUT_CLASS_TOKEN),
        "a table of positions": positions and kind != "VisionTransformerRelPos",
        "a gated MLP": bool(theirs.get("swiglu_mlp"))
        or theirs.get("mlp_layer") in ("GluMlp", "SwiGLU"),
        "relative positions": bool(relative) or kind == "VisionTransformerRelPos",
        "qkv_bias": theirs.get("qkv_bias", True),
    }
    if kind != "NaFlexVit":
        before = theirs.get("pre_norm") or theirs.get("use_pre_transformer_norm")
        stated["pre_norm"] = bool(before)
    return stated


def _of_model_args(config: Config) -> dict[str, Any]:
    """What `model_args` alone say; names have sizes that they override."""
    given = config.get("model_args", {})
    stated = {
        key: given[key] for key in ("embed_dim", "depth", "qk_norm") if key in given
    }
    for key in ("reg_tokens", "num_reg_tokens"):
        if key in given:
            stated["reg_tokens"] = given[key]
    if given.get("init_values"):  # 0 is a scale in some of timm's blocks alone
        stated["layer scale"] = True
    size = given.get("patch_size")
    if size is not None:
        stated["patch_size"] = (size, size) if isinstance(size, int) else tuple(size)
    return stated
