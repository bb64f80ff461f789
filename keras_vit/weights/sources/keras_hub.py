"""KerasHub: backbones and classifiers of ViT, DeiT and DINOv2, by `save_to_preset`."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from keras_vit.preprocessing import PRESETS, Preprocessing
from keras_vit.weights.sources.keras_hub_names import (
    BLOCK,
    REGISTERS,
    TABLE,
    normalise,
)
from keras_vit.weights.sources.source import HALF, IMAGENET, Arrays, Config, Source
from keras_vit.weights.translate import AS_IS, PATCHES, Rules

CLASSES = {  # of KerasHub's configs: their pixels where nothing says
    "ViTBackbone": HALF,
    "DeiTBackbone": IMAGENET,
    "DINOV2Backbone": IMAGENET,
}


def arguments(stored: Arrays) -> dict[str, Any]:
    """Return the arguments of a model that the arrays determine."""
    has_token = "patch_encoder/class_token" in stored
    block: dict[str, Any] = {}
    if "block_0/attention/query/bias" not in stored:
        block["qkv_bias"] = "none"
    if "block_0/mlp/fc1/bias" not in stored:
        block["use_bias"] = False
    info: dict[str, Any] = {
        "class_token": has_token,
        "pooling": "token" if has_token else "gap",
        "patch_bias": "patch_encoder/projection/bias" in stored,
    }
    if "block_0/mlp/gate/kernel" in stored:
        block["mlp"], info["activation"] = "gated", "silu"
    if "block_0/scale1/gamma" in stored:
        info["layer_scale"] = 1.0
    if REGISTERS in stored:
        info["num_registers"] = stored[REGISTERS].shape[1]
    if "head/kernel" in stored:
        info["num_classes"] = stored["head/kernel"].shape[-1]
    if "pre_logits/kernel" in stored:
        info["representation_size"] = stored["pre_logits/kernel"].shape[-1]
    return info | ({"block": block} if block else {})


def settings(config: Config) -> dict[str, Any]:
    """Return the arguments of a model that a preset's files hold.

    Raises:
        ValueError: for a model of another kind, or a classifier that ends in an
            activation.
    """
    if "config" not in config:  # arrays alone
        return {}
    if config.get("class_name") not in CLASSES:
        raise ValueError(
            f"Expected a preset of KerasHub's {', '.join(CLASSES)}. "
            f"Received: {config.get('class_name')!r}"
        )
    backbone = config["config"]
    info: dict[str, Any] = {"num_heads": backbone["num_heads"]}
    if config["class_name"] == "DINOV2Backbone":  # whose epsilon is fixed
        info["layer_scale"] = backbone["layer_scale_init_value"]
    else:
        info["layer_norm_epsilon"] = backbone["layer_norm_epsilon"]
    task = config.get("task", {}).get("config")
    if task is not None:
        if task.get("activation") not in (None, "linear"):
            raise ValueError(
                "Expected a classifier of logits. Received: KerasHub's with "
                f"activation={task['activation']!r}; build it with activation=None"
            )
        if task.get("pooling") == "gap":  # the class token too
            info["pooling"] = {"kind": "gap", "prefix_tokens": True}
        elif task.get("pooling") == "token":
            info["pooling"] = "token"
        else:
            raise ValueError(
                f"Expected pooling 'token' or 'gap'. Received: {task.get('pooling')!r}"
            )
    return info


def pixels(config: Config) -> Any:
    """Return the mean and deviation of pixels, as an image converter has them."""
    converter = config.get("image_converter", {}).get("config", {})
    scale, offset = converter.get("scale"), converter.get("offset")
    if scale is None and offset is None:
        return CLASSES.get(config.get("class_name", ""), HALF)
    scale = np.broadcast_to(1.0 if scale is None else scale, 3).astype(float)
    offset = np.broadcast_to(0.0 if offset is None else offset, 3).astype(float)
    return tuple((-offset / scale).tolist()), tuple((1 / scale).tolist())


def assumed(config: Config) -> str | None:
    """Return which pixels are taken for granted, where no converter is written."""
    if "image_converter" in config:
        return None
    kind = config.get("class_name", "ViTBackbone")
    return f"the pixels of KerasHub's presets of {kind}"


def preprocessing(
    names: Iterable[str], config: Config, image_size: int | None
) -> Preprocessing:
    """Return the resizing of KerasHub's image converter: squashed, bilinear."""
    return PRESETS["vit_jax"]


def image_size(config: Config) -> tuple[int, int] | None:
    """Return (height, width) of the images that a backbone takes."""
    shape = config.get("config", {}).get("image_shape")
    return None if shape is None else (shape[0], shape[1])


DENSE = (
    *(f"block_*/attention/{one}" for one in ("query", "key", "value", "out")),
    *(f"block_*/mlp/{one}" for one in ("fc1", "fc2", "gate")),
    *("pre_logits", "head"),
)
OWN = (  # names that are ours already
    *("patch_encoder/projection/bias", "patch_encoder/class_token", REGISTERS, TABLE),
    *(f"{norm}/gamma" for norm in ("block_*/norm1", "block_*/norm2", "norm")),
    *(f"{norm}/beta" for norm in ("block_*/norm1", "block_*/norm2", "norm")),
    *("block_*/scale1/gamma", "block_*/scale2/gamma"),
    *(f"{layer}/{part}" for layer in DENSE for part in ("kernel", "bias")),
)
PATCH_KERNEL = "patch_encoder/projection/kernel"
RULES: Rules = {name: (name, AS_IS) for name in OWN}
RULES[PATCH_KERNEL] = (PATCH_KERNEL, PATCHES)

KERAS_HUB = Source(
    name="keras_hub",
    recognises=lambda names: any(BLOCK.fullmatch(name) for name in names),
    normalise=normalise,
    rules=lambda architecture, spelling: RULES,
    activation="gelu_erf",
    layer_norm_epsilon=1e-6,
    position_method=lambda stored, config: (
        "bicubic_antialias"
        if config.get("config", {}).get("antialias_in_interpolation")
        else "bicubic"
    ),
    patches=PATCH_KERNEL,
    positions=TABLE,
    mlp="block_*/mlp/fc2/kernel",
    arguments=arguments,
    settings=settings,
    pixels=pixels,
    preprocessing=preprocessing,
    dropped_with_head=("head/", "pre_logits/"),
    image_size=image_size,
    assumed=assumed,
)
