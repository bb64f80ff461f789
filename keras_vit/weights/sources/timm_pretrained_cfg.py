"""What timm's `config.json` says of pixels and classes, in `pretrained_cfg`."""

import dataclasses
from collections.abc import Iterable

from keras_vit.preprocessing import PRESETS, Preprocessing
from keras_vit.weights.sources.source import HALF, IMAGENET, Config, Pixels


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
