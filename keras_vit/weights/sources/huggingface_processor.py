"""What Hugging Face's `preprocessor_config.json` says of pixels and of resizing.

What it leaves out is the processor's own default, by transformers 5.24.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keras_vit.preprocessing import Preprocessing
from keras_vit.weights.sources.source import IMAGENET, Config, Pixels

CLIP = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
CLIP_PIXELS = tuple(tuple(255 * x for x in values) for values in CLIP)
AS_SHARES = ((0.0,) * 3, (255.0,) * 3)  # pixels in [0, 1], not normalised further
STANDARD = ((0.5,) * 3, (0.5,) * 3)
RESAMPLE = {2: "bilinear", 3: "bicubic", 4: "area"}  # Pillow's; 4 is nearly so


@dataclass(frozen=True)
class Processor:
    """The defaults of one of the library's image processors.

    Attributes:
        size: as in the file.
        resample: Pillow's number of a filter.
        crops: whether the middle is cut out.
        normalization: mean and deviation of pixels in [0, 1].
        levels: of pixels once resized, a word of `Preprocessing`.
    """

    size: dict[str, int]
    resample: int
    crops: bool
    normalization: Pixels
    levels: str = "round"


SQUARE = {"height": 224, "width": 224}
PROCESSORS = {
    "ViT": Processor(SQUARE, 2, False, STANDARD),
    "DeiT": Processor({"height": 256, "width": 256}, 3, True, STANDARD),
    "Bit": Processor({"shortest_edge": 224}, 3, True, CLIP),
    "CLIP": Processor({"shortest_edge": 224}, 3, True, CLIP),
    "Siglip": Processor(SQUARE, 3, False, STANDARD),
    "Beit": Processor(SQUARE, 3, False, STANDARD),
    "DINOv3ViT": Processor(  # which resizes numbers, not levels of 8 bits
        SQUARE,
        2,
        False,
        tuple(tuple(x / 255 for x in values) for values in IMAGENET),
        "float",
    ),
    "Tipsv2": Processor(
        {"height": 448, "width": 448}, 2, False, ((0.0,) * 3, (1.0,) * 3)
    ),
}
CROP_SIZE = 224


def _processor(settings, default):
    """Return the defaults of the processor that a file names.

    Raises:
        ValueError: for one that is not known.
    """
    kind = settings.get("image_processor_type") or settings.get(
        "feature_extractor_type"
    )
    if kind is None:
        return PROCESSORS[default]
    name = re.sub(r"(ImageProcessor|FeatureExtractor)(Fast|Pil)?$", "", kind)
    if name not in PROCESSORS:
        raise ValueError(f"image_processor_type={kind!r}")
    return PROCESSORS[name]


def pixels(default: Pixels, processor: str) -> Callable[[Config], Pixels]:
    """Return a reader of mean and deviation.

    Args:
        default: of a repository without a processor.
        processor: a key of `PROCESSORS`, of a file that names none.
    """

    def read(config):
        """Return what `preprocessor_config.json` states."""
        settings = config.get("preprocessing")
        if settings is None:
            return default
        scale = settings.get("rescale_factor", 1 / 255)
        scale = 1 / scale if settings.get("do_rescale", True) else 1.0
        if not settings.get("do_normalize", True):
            return (0.0,) * 3, (scale,) * 3
        keys = ("image_mean", "image_std")
        known = [settings.get(key) for key in keys]
        if None in known:
            known = [
                value if value is not None else default
                for value, default in zip(
                    known, _processor(settings, processor).normalization, strict=True
                )
            ]
        return tuple(
            tuple(scale * x for x in _three(key, value))
            for key, value in zip(keys, known, strict=True)
        )

    return read


def _three(key, value):
    """Return a number for each of red, green and blue."""
    value = [value] if isinstance(value, int | float) else value
    if len(value) not in (1, 3):
        raise ValueError(
            f"preprocessor_config.json must have a number for each of three colours. "
            f"Received: {key}={value}"
        )
    return value * 3 if len(value) == 1 else value


def preprocessing(
    default: Preprocessing, processor: str
) -> Callable[[Iterable[str], Config, int | None], Preprocessing]:
    """Return a reader of how images become the model's size.

    Args:
        default: the `Preprocessing` of a repository without a processor.
        processor: a key of `PROCESSORS`, of a file that names none.
    """

    def read(names, config, image_size):
        """Return what `preprocessor_config.json` states."""
        settings = config.get("preprocessing")
        if settings is None:
            return default
        known = _processor(settings, processor)
        for key, expected in (("do_resize", True), ("do_pad", False)):
            if settings.get(key, expected) != expected:
                raise ValueError(f"{key}={settings[key]}")
        resample = settings.get("resample", known.resample)
        by_short_side = "shortest_edge" in known.size
        size = _sides(settings.get("size", known.size), "size", by_short_side)
        if resample not in RESAMPLE:
            raise ValueError(f"resample={resample}")
        fractions, crop = {1.0}, None
        if settings.get("do_center_crop", known.crops):
            crop = _sides(settings.get("crop_size", CROP_SIZE), "crop_size", False)
            sides = zip(crop.values(), list(size.values()) * 2, strict=False)
            fractions = {part / whole for part, whole in sides}
        if len(fractions) > 1:
            raise ValueError(f"size={size}, crop_size={crop}")
        return dataclasses.replace(
            default,
            aspect="short_side" if "shortest_edge" in size else "squash",
            antialias=True,
            method=RESAMPLE[resample],
            crop_fraction=fractions.pop(),
            levels=known.levels,
        )

    return read


def _sides(size, key, by_short_side):
    """Return a size as `{"height": H, "width": W}` or `{"shortest_edge": S}`."""
    if isinstance(size, int):
        size = {"shortest_edge": size} if by_short_side else {"height": size}
    if size.get("shortest_edge") and not size.get("longest_edge"):
        return {"shortest_edge": size["shortest_edge"]}
    if not size.get("height"):
        raise ValueError(f"{key}={size}")
    return {"height": size["height"], "width": size.get("width", size["height"])}
