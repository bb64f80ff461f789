"""How an image of any size becomes one of a model's size, in evaluation.

A row a library; `keras_vit.data.preprocessing` does what they say. Which way
weights were evaluated belongs to them, so that a model carries it along.
"""

from __future__ import annotations

import numbers
from dataclasses import KW_ONLY, dataclass, fields, replace
from fractions import Fraction
from typing import Any

CHOICES = {
    "aspect": ("squash", "short_side"),
    "method": ("bilinear", "bicubic", "area"),
    "levels": ("float", "truncate", "round"),
    "arithmetic": ("big_vision", "torchvision", "transformers"),
}


@dataclass(frozen=True)
class Preprocessing:
    """How images are resized and cropped before a model sees them.

    The image is resized to the model's size divided by `crop_fraction`, in
    whole pixels, and the middle of that is cut out.

    Attributes:
        aspect: `"squash"`: both sides are given, the aspect is not kept.
            `"short_side"`: it is kept; the image covers what is cut out, its
            short side fitting. For a model whose sides differ, the side that
            fits is the one for which the image has less to spare.
        method: `"bilinear"`, `"bicubic"` (a = -0.5) or `"area"`, the mean of
            what a pixel covers, which is antialiased in itself.
        antialias: whether filters widen as images shrink.
        crop_fraction: the share of each side that is left; 1: all of it.
        levels: `"float"`: pixels stay as they are computed. `"truncate"`:
            they become uint8 by cutting fractions off. `"round"`: to the
            nearest, with `antialias` after one axis and again after the other,
            in the order of Pillow 13 (all but `"area"`): rows first where the
            height shrinks by more than twice as many pixels as the width, else
            columns. Before version 13, Pillow took columns first always.
        arithmetic: whose whole pixels. The long side is rounded by
            big_vision, cut by the others (timm, whose rules are torchvision's,
            rounds it where the model's sides differ). An odd margin is shared
            evenly by torchvision's rounding to even numbers; by the others,
            the smaller half lies above and on the left.

    Raises:
        ValueError: naming the field, what was expected and what came.
    """

    aspect: str = "squash"
    method: str = "bilinear"
    antialias: bool = False
    crop_fraction: float = 1.0
    levels: str = "float"
    _: KW_ONLY
    arithmetic: str = "big_vision"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}. "
                    f"Received: {name}={getattr(self, name)!r}"
                )
        number = isinstance(self.crop_fraction, numbers.Real)
        if not number or not 0 < self.crop_fraction <= 1:
            raise ValueError(
                "crop_fraction must lie in (0, 1]. "
                f"Received: crop_fraction={self.crop_fraction!r}"
            )


FIELDS = tuple(one.name for one in fields(Preprocessing))
PRESETS = {
    # google-research/vision_transformer: tf.image.resize, and nothing else.
    "vit_jax": Preprocessing(),
    # google-research/big_vision: resize_small(256)|central_crop(224).
    "big_vision": Preprocessing("short_side", "area", False, 0.875, "truncate"),
    # big_vision's few-shot evaluator: resize(256)|central_crop(224).
    "big_vision_fewshot": Preprocessing("squash", "bilinear", False, 0.875, "truncate"),
    # timm's create_transform with crop_pct, Pillow's images.
    "timm": Preprocessing(
        "short_side", "bicubic", True, 0.9, "round", arithmetic="torchvision"
    ),
    # torchvision's first ViT weights: resize to 256, center crop of 224.
    "torchvision": Preprocessing(
        "short_side", "bilinear", True, 0.875, "round", arithmetic="torchvision"
    ),
    # transformers: ViTImageProcessor, and BitImageProcessor as of DINOv2.
    "huggingface": Preprocessing(
        "squash", "bilinear", True, 1.0, "round", arithmetic="transformers"
    ),
    "dinov2": Preprocessing(
        "short_side", "bicubic", True, 0.875, "round", arithmetic="transformers"
    ),
}


def resolve(value: Any) -> Preprocessing:
    """Return the `Preprocessing` that a user, a recipe or a file means.

    Args:
        value: a `Preprocessing`; a dict of its fields; or text, a key of
            `PRESETS`, with a crop fraction of its own after a colon if that
            differs: `"timm:0.95"`, `"big_vision:384/448"`.

    Raises:
        ValueError: for anything else, with the choices.

    Example:

    >>> resolve("timm:0.95").crop_fraction
    0.95
    """
    if isinstance(value, Preprocessing):
        return value
    if isinstance(value, dict):
        unknown = [name for name in value if name not in FIELDS]
        if unknown:
            raise ValueError(
                f"Expected fields of a preprocessing among {', '.join(FIELDS)}. "
                f"Received: {', '.join(map(repr, unknown))}"
            )
        return Preprocessing(**value)
    name, colon, fraction = str(value).partition(":")
    try:
        if name in PRESETS and not colon:
            return PRESETS[name]
        return replace(PRESETS[name], crop_fraction=float(Fraction(fraction)))
    except (KeyError, ValueError, ZeroDivisionError):
        raise ValueError(
            f"Unknown preprocessing. Expected one of {', '.join(PRESETS)}, followed by "
            "a crop fraction in (0, 1] if need be, such as timm:0.95. "
            f"Received: {value!r}"
        ) from None
