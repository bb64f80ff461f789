"""The normalization of a model's pixels, and how files and settings state it."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_vit.meaning import meaning_of
from keras_vit.preprocessing import resolve
from keras_vit.weights.sources.source import HALF, Config, Source

KEY = "keras_vit"  # our own note, in settings and in `__metadata__`

WIDEST = 1e-3  # levels of 255 by which two texts of one number may differ


def pixels_of(model: keras.Model) -> tuple[list[float], list[float]] | None:
    """Return mean and deviation by colour, in levels of 255.

    `None` for a model without preprocessing, which takes normalised pixels.
    """
    for layer in model.layers:
        if layer.name == "preprocessing":
            deviation = [variance**0.5 for variance in layer.input_variance]
            return list(layer.input_mean), deviation
    return None


def note_of(model: keras.Model) -> dict[str, Any]:
    """Return what our own files say of a model's pixels, for JSON."""
    pixels = pixels_of(model)
    if pixels is None:
        return {"include_preprocessing": False}
    return {
        "pixel_mean": pixels[0],
        "pixel_std": pixels[1],
        "evaluation_preprocessing": dataclasses.asdict(meaning_of(model).preprocessing),
    }


def pixels_to_write(
    model: keras.Model, format: str
) -> tuple[list[float], list[float]] | None:
    """Return mean and deviation for a publisher's settings, which always have some.

    Warn of a model without preprocessing, which does not know them.
    """
    pixels = pixels_of(model)
    if pixels is None:
        warnings.warn(
            f"{model.name!r} has no preprocessing, so its mean and std are unknown: "
            f"{format}'s code will use its defaults, and keras_vit will build the "
            "model without preprocessing again.",
            stacklevel=4,
        )
    return pixels


def arguments(
    note: Mapping[str, Any], published: Sequence[Any], says: bool, name: str
) -> dict[str, Any]:
    """Return the arguments of `ViT` on pixels.

    Args:
        note: our own note in the file.
        published: mean and deviation, as the source has them.
        says: whether that stands in the settings beside the file.
        name: of the file.

    Raises:
        ValueError: if the file and the settings beside it disagree.
    """
    if note.get("include_preprocessing") is False:
        return {"include_preprocessing": False}
    entries = {"pixel_mean": published[0], "pixel_std": published[1]}
    if "pixel_mean" not in note:
        return entries
    own = {key: tuple(note[key]) for key in entries}
    if says and any(
        np.abs(np.subtract(own[k], entries[k])).max() > WIDEST for k in entries
    ):
        raise ValueError(
            f"{name} and the settings beside it must state the same pixel mean and "
            "std. Correct or remove settings that belong to other weights. "
            f"Received: {own} and {entries}"
        )
    return own | {"evaluation_preprocessing": resolve(note["evaluation_preprocessing"])}


def holds_pixels(note: Mapping[str, Any]) -> bool:
    """Return whether our own note holds a model's pixels."""
    return "pixel_mean" in note or note.get("include_preprocessing") is False


def unlike_of_file(
    model: keras.Model, config: Config, source: Source, name: str
) -> str | None:
    """Return a sentence if a model normalises pixels differently from its file.

    Args:
        model: that the file's weights go to.
        config: as `opening.open_weights` returns it.
        source: whose file it is.
        name: of the file.

    Returns:
        A text; `None` where they agree, where the file states no mean and std of
        pixels, and where the file or the model leaves normalisation to the caller.

    Raises:
        ValueError: if the file and the settings beside it disagree.
    """
    note, ours = config[KEY], pixels_of(model)
    says = bool(config.keys() - {KEY}) and source.assumed(config) is None
    theirs = arguments(note, source.pixels(config), says, name)
    if ours is None or not (says or "pixel_mean" in note) or "pixel_mean" not in theirs:
        return None
    ours = {"pixel_mean": ours[0], "pixel_std": ours[1]}
    different = [k for k in ours if np.abs(np.subtract(ours[k], theirs[k])).max() > 0.5]
    if not different:
        return None
    expected, received = (
        ", ".join(f"{key}={tuple(round(x, 3) for x in some[key])}" for key in different)
        for some in (theirs, ours)
    )
    return (
        "the model normalises pixels differently from how these weights were trained. "
        f"Expected {expected}: build the model with it. Received: {received}"
    )


INTERPOLATIONS = {"bilinear": "bilinear", "bicubic": "bicubic", "area": "box"}
CROP_MODES = {"short_side": "center", "squash": "squash"}


def for_timm(model: keras.Model) -> dict[str, Any]:
    """Return the entries of timm's `pretrained_cfg` on pixels and evaluation.

    timm antialiases and rounds always.
    """
    preprocessing = meaning_of(model).preprocessing
    entries = {
        "interpolation": INTERPOLATIONS[preprocessing.method],
        "crop_pct": preprocessing.crop_fraction,
        "crop_mode": CROP_MODES[preprocessing.aspect],
    }
    pixels = pixels_to_write(model, "timm")
    if pixels is None:
        return entries
    mean, deviation = ([value / 255 for value in values] for values in pixels)
    return {"mean": mean, "std": deviation} | entries


def for_huggingface(model: keras.Model) -> dict[str, Any]:
    """Return the entries of `preprocessor_config.json` on pixels."""
    mean, deviation = pixels_to_write(model, "huggingface") or HALF
    return {
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [value / 255 for value in mean],
        "image_std": [value / 255 for value in deviation],
    }


def unlike(model: keras.Model, source: Source) -> list[str]:
    """Return, in words, what a source's files without settings lack of pixels."""
    pixels = pixels_to_write(model, source.name)
    if pixels is None:
        return []
    return [
        f"{key}={tuple(round(value, 3) for value in ours)} (its code has "
        f"{tuple(round(value, 3) for value in theirs)})"
        for key, ours, theirs in zip(
            ("pixel_mean", "pixel_std"), pixels, source.pixels({}), strict=True
        )
        if np.abs(np.subtract(ours, theirs)).max() > WIDEST
    ]
