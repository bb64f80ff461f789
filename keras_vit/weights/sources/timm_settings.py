"""What timm's `config.json` says: of the model, of its pixels, of its classes.

It is written by `timm.models.push_to_hf_hub` and `save_for_hf`. The arguments of
a model are those of its architecture, by name, and `model_args`.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from keras_vit.preprocessing import PRESETS, Preprocessing
from keras_vit.weights.sources.source import HALF, IMAGENET, Config, Pixels
from keras_vit.weights.sources.timm_architectures import ARCHITECTURES

NOTHING = {None: {}, "": {}}
SUPPORTED = {  # an argument: each of its values that the model has, in our arguments
    "global_pool": {
        "token": {"pooling": "token"},
        "avg": {"pooling": "gap"},
        "map": {"pooling": "map"},
    },
    "act_layer": {
        **NOTHING,
        "gelu": {"activation": "gelu_erf"},
        "gelu_tanh": {"activation": "gelu_tanh"},
    },
    "pos_embed": {
        "learn": {},
        "none": {"position_embedding": "none"},
        "": {"position_embedding": "none"},
    },
    "in_chans": {3: {}},
    "norm_layer": NOTHING | {"layernorm": {}},
    "attn_layer": NOTHING | {"attn": {}},
    **dict.fromkeys(("qkv_bias", "proj_bias", "final_norm"), {True: {}}),
    **dict.fromkeys(
        (
            "pre_norm",
            "pool_include_prefix",
            "scale_attn_norm",
            "scale_mlp_norm",
            "dynamic_img_pad",
        ),
        {False: {}},
    ),
    **dict.fromkeys(("embed_norm_layer", "embed_layer"), NOTHING),
    **dict.fromkeys(("block_fn", "mlp_layer"), NOTHING),
}
TOLD_BY_ARRAYS = {
    "img_size",
    "patch_size",
    "embed_dim",
    "depth",
    "mlp_ratio",
    "num_classes",
    "class_token",
    "reg_tokens",
    "no_embed_class",
    "fc_norm",
    "init_values",
    "qk_norm",
}
OF_TRAINING = {
    "drop_rate",
    "pos_drop_rate",
    "patch_drop_rate",
    "proj_drop_rate",
    "attn_drop_rate",
    "drop_path_rate",
    "weight_init",
    "fix_init",
    "dynamic_img_size",
    "strict_img_size",
    "pretrained",
    "device",
    "dtype",
}


def arguments_of(config: Config) -> dict[str, Any]:
    """Return the arguments of timm's VisionTransformer, as far as they are stated.

    Raises:
        ValueError: for an architecture that is not known, and where two
            poolings are stated.
    """
    name = (config.get("architecture") or "").split(".")[0]
    if name and name not in ARCHITECTURES:
        raise ValueError(
            "config.json names an architecture that is none of timm's Vision "
            "Transformers, as far as keras_vit knows them. If it is a plain one, load "
            "the file without config.json, by keras_vit.ViT and its arguments. "
            f"Received: architecture={name!r}"
        )
    arguments = ARCHITECTURES.get(name, {}) | config.get("model_args", {})
    pooling = config.get("global_pool")
    if pooling is None:
        return arguments
    if config.get("model_args", {}).get("global_pool", pooling) != pooling:
        raise ValueError(
            "config.json must state one pooling. Received: "
            f"global_pool={pooling!r}, and model_args with "
            f"global_pool={config['model_args']['global_pool']!r}"
        )
    return arguments | {"global_pool": pooling}


def settings(config: Config) -> dict[str, Any]:
    """Return the arguments of `ViT` that `config.json` states.

    Raises:
        ValueError: naming what this package's models do not have.
    """
    theirs = arguments_of(config)
    info = {}
    if "num_heads" in theirs:
        info["num_heads"] = theirs["num_heads"]
    for name, value in theirs.items():
        if name in TOLD_BY_ARRAYS | OF_TRAINING or name == "num_heads":
            continue
        if not _is_supported(name, value):
            architecture = config.get("architecture")
            raise ValueError(
                f"keras_vit's models do not support {name}={value!r} of timm's "
                f"{architecture or 'config.json'}. Load it with timm."
            )
        info |= SUPPORTED[name][value]
    return info


def _is_supported(name, value):
    """Return whether a model here has it; JSON's lists and tables never are."""
    known = not isinstance(value, list | dict) and name in SUPPORTED
    return known and value in SUPPORTED[name]


def pretrained_cfg(config: Config) -> Config | None:
    """Return timm's `pretrained_cfg`; `None` where there is none.

    Old files have its entries at the top level.
    """
    if "pretrained_cfg" in config or "architecture" not in config:
        return config.get("pretrained_cfg")
    return config


def pixels(config: Config) -> Pixels:
    """Return mean and deviation; half and half if there is no configuration."""
    info = pretrained_cfg(config)
    if info is None:
        return HALF
    return tuple(
        tuple(255 * x for x in info[key]) if info.get(key) else default
        for key, default in zip(("mean", "std"), IMAGENET, strict=True)
    )


ASPECTS = {"center": "short_side", "squash": "squash"}  # of `crop_mode`
CROP = 0.875  # of a configuration that does not say


def preprocessing(
    names: Iterable[str], config: Config, image_size: int | None
) -> Preprocessing:
    """Return the preprocessing of `pretrained_cfg`.

    Without one, 0.9 of the image is kept at 224 pixels, and all of it above.
    """
    info = pretrained_cfg(config)
    if info is None:
        info = {"crop_pct": 0.9 if (image_size or 224) <= 224 else 1.0}
    mode = info.get("crop_mode") or "center"
    if mode not in ASPECTS:
        raise ValueError(f"crop_mode={mode!r}")
    return dataclasses.replace(
        PRESETS["timm"],
        aspect=ASPECTS[mode],
        method=info.get("interpolation") or "bicubic",
        crop_fraction=info.get("crop_pct") or CROP,
    )


def class_names(config: Config) -> tuple[str, ...] | None:
    """Return the names of the classes, by `label_names` and `label_descriptions`."""
    info = pretrained_cfg(config) or {}
    names = config.get("label_names") or info.get("label_names")
    if not names:
        return None
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names, key=int)]
    described = config.get("label_descriptions") or info.get("label_descriptions")
    described = described if isinstance(described, dict) else {}
    return tuple(described.get(name, name) for name in names)


def assumed(config: Config) -> str | None:
    """Return, in words, what is assumed of a file without `config.json`."""
    if pretrained_cfg(config) is not None:
        return None
    return (
        "mean and std of 0.5, GELU in its erf form and the evaluation's crop, since "
        "no config.json of timm's beside it is known to be its own"
    )
