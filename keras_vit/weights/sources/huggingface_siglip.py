"""Hugging Face transformers: the towers of images of SigLIP and SigLIP 2."""

import dataclasses
import math
from typing import Any

from keras_vit.preprocessing import PRESETS
from keras_vit.weights.files import Stored
from keras_vit.weights.sources import huggingface_config as config_file
from keras_vit.weights.sources import huggingface_processor as processor_file
from keras_vit.weights.sources import huggingface_towers as towers
from keras_vit.weights.sources.huggingface_config import Fields
from keras_vit.weights.sources.huggingface_facts import Facts
from keras_vit.weights.sources.huggingface_family import Family, Written, tower
from keras_vit.weights.sources.source import HALF, Arrays, Config, Source
from keras_vit.weights.sources.torch_layout import dense, fused, norm
from keras_vit.weights.translate import AS_IS

CLASSIFIER, PROBE = "classifier.weight", "head.probe"
RULES = towers.RULES | {
    "pooling/probe": (PROBE, AS_IS),
    **fused(
        "pooling/attention",
        "head.attention.in_proj_weight",
        "head.attention.in_proj_bias",
    ),
    **dense("pooling/attention/out", "head.attention.out_proj"),
    **norm("pooling/norm", "head.layernorm"),
    **dense("pooling/mlp/fc1", "head.mlp.fc1"),
    **dense("pooling/mlp/fc2", "head.mlp.fc2"),
    **dense("head", "classifier"),
}
DEFAULTS = {
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "num_attention_heads": 12,
    "patch_size": 16,
}
SQUASHED = dataclasses.replace(PRESETS["huggingface"], method="bicubic")
KINDS: dict[str, dict[str, Any]] = {
    "siglip_vision_model": DEFAULTS | {"image_size": 224},
    "siglip": DEFAULTS | {"image_size": 224},
    "siglip2_vision_model": DEFAULTS | {"num_patches": 256},  # of any aspect
    "siglip2": DEFAULTS | {"num_patches": 256},
}
FIELDS = Fields(kinds=KINDS)


def normalise(stored: Arrays) -> dict[str, Stored]:
    """Return arrays by canonical names, without a pooling that no classifier reads.

    SigLIP 2's projection of flat patches, rows of pixels first and colours last,
    becomes a convolution's kernel.
    """
    names = towers.normalise(stored)
    if CLASSIFIER in names:
        names = {k: v for k, v in names.items() if not k.startswith("head.")}
    kernel = names.get(towers.PATCHES)
    if kernel is not None and len(kernel.shape) == 2:
        side = math.isqrt(kernel.shape[1] // 3)
        if 3 * side**2 == kernel.shape[1]:
            names[towers.PATCHES] = kernel.changed(
                lambda flat: flat.reshape(-1, side, side, 3).transpose(0, 3, 1, 2)
            )
    return names


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    info: dict[str, Any] = {"class_token": False, "pooling": None}
    if CLASSIFIER in stored:
        info |= {"pooling": "gap", "num_classes": stored[CLASSIFIER].shape[0]}
    elif PROBE in stored:
        info["pooling"] = "map"
    return info


def image_size(config: Config) -> tuple[int, int] | None:
    """Return the size of images that the position table is for."""
    said = FIELDS.stated(config)
    if "num_patches" in said and "image_size" not in said:
        side = math.isqrt(said["num_patches"]) * said["patch_size"]
        return side, side
    return FIELDS.image_size(config)


def position_method(stored: Arrays, config: Config) -> str:
    """Return the rule of its code, which antialiases for flat patches."""
    kernel = next((v for k, v in stored.items() if k.endswith(towers.PATCHES)), None)
    is_flat = kernel is not None and len(kernel.shape) == 2
    return "bilinear_antialias" if is_flat else "bicubic"


def _recognises(names):
    short = {name.removeprefix(towers.PREFIX) for name in names}
    return {towers.PATCHES, "encoder.layers.0.layer_norm1.weight"} <= short and (
        "embeddings.class_embedding" not in short
    )


SIGLIP = Source(
    name="siglip",
    kinds=tuple(FIELDS.kinds),
    recognises=_recognises,
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_tanh",
    layer_norm_epsilon=1e-6,
    position_method=position_method,
    image_size=image_size,
    patches=towers.PATCHES,
    positions=towers.POSITIONS,
    mlp="encoder.layers.*.mlp.fc2.weight",
    arguments=arguments,
    pixels=processor_file.pixels(HALF, "Siglip"),
    preprocessing=processor_file.preprocessing(SQUASHED, "Siglip"),
    dropped_with_head=("classifier.",),
    dropped_without_pooling=("head.",),
    left_out=towers.LEFT_OUT,
    classifiers=("classifier",),
    settings=FIELDS.settings,
    class_names=config_file.class_names,
    assumed=config_file.assumed,
)


def _config(facts: Facts, kind: str = "siglip") -> dict[str, Any]:
    """Return `config.json` of the tower, or of the whole that has a classifier."""
    config = tower(facts, kind.capitalize(), kind)
    pooling = facts.architecture.pooling
    inner = config.get("vision_config", config)
    inner["vision_use_head"] = pooling is not None and pooling.kind == "map"
    return config


def _naflex_config(facts: Facts) -> dict[str, Any]:
    """Return that of SigLIP 2, whose classes know of numbers of patches alone."""
    config = _config(facts, "siglip2")
    inner = config.get("vision_config", config)
    rows, columns = facts.architecture.grid
    del inner["image_size"]
    inner["num_patches"] = rows * columns
    return config


def _flat(arrays: Written, facts: Facts) -> Written:
    """Make the convolution one of flat patches, colours last."""
    kernel = arrays[towers.PATCHES].transpose(0, 2, 3, 1)
    return {**arrays, towers.PATCHES: kernel.reshape(facts.hidden_dim, -1)}


FAMILIES = (
    Family(source=SIGLIP, config=_config, prefix=towers.PREFIX),
    Family(source=SIGLIP, config=_naflex_config, prefix=towers.PREFIX, finished=_flat),
)
