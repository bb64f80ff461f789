"""The layers of Keras and KerasCV that augment images, readable without Keras.

Each row is tried by a test: a layer that is offered changes images in [0, 255] to
images in [0, 255] of the same size, and what it draws follows from a seed alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from keras_vit.extras import install
from keras_vit.suggestions import unknown

_RANGE = {"value_range": (0, 255)}
_HALF_TO_MORE: dict[str, Any] = {"factor": (0.3, 0.7)}  # 0.5 changes nothing

# The arguments of a layer that is named. KerasCV has no defaults for most strengths.
LAYERS: Mapping[str, Mapping[str, Any]] = {
    "keras:AutoContrast": _RANGE,
    "keras:ContrastLimitedAdaptiveHistogramEqualization": _RANGE,
    "keras:Equalization": _RANGE,
    "keras:RandAugment": _RANGE,
    "keras:RandomBrightness": {"factor": 0.3, **_RANGE},
    "keras:RandomColorDegeneration": {"factor": 0.5, **_RANGE},
    "keras:RandomColorJitter": {
        "brightness_factor": 0.4,
        "contrast_factor": 0.4,
        "saturation_factor": 0.4,
        "hue_factor": 0.1,
        **_RANGE,
    },
    "keras:RandomContrast": {"factor": 0.4, **_RANGE},
    "keras:RandomElasticTransform": _RANGE,
    "keras:RandomErasing": _RANGE,
    "keras:RandomFlip": {"mode": "horizontal"},
    "keras:RandomGaussianBlur": _RANGE,
    "keras:RandomGrayscale": {},
    "keras:RandomHue": {"factor": 0.1, **_RANGE},
    "keras:RandomInvert": _RANGE,
    "keras:RandomPerspective": {},
    "keras:RandomPosterization": {"factor": 4, **_RANGE},
    "keras:RandomRotation": {"factor": 0.05},
    "keras:RandomSaturation": {**_HALF_TO_MORE, **_RANGE},
    "keras:RandomSharpness": {"factor": 0.5, **_RANGE},
    "keras:RandomShear": {"x_factor": 0.1, "y_factor": 0.1},
    "keras:RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "keras:RandomZoom": {"height_factor": 0.2},
    "keras:Solarization": _RANGE,
    "keras_cv:AugMix": _RANGE,
    "keras_cv:AutoContrast": _RANGE,
    "keras_cv:ChannelShuffle": {},
    "keras_cv:Equalization": _RANGE,
    "keras_cv:Grayscale": {"output_channels": 3},
    "keras_cv:GridMask": {"ratio_factor": (0.0, 0.5), "rotation_factor": 0.15},
    "keras_cv:Posterization": {"bits": 4, **_RANGE},
    "keras_cv:RandAugment": _RANGE,
    "keras_cv:RandomBrightness": {"factor": 0.2, **_RANGE},
    "keras_cv:RandomChannelShift": {"factor": 0.3, **_RANGE},
    "keras_cv:RandomColorDegeneration": {"factor": 0.5},
    "keras_cv:RandomColorJitter": {
        "brightness_factor": 0.2,
        "contrast_factor": 0.4,
        "saturation_factor": (0.3, 0.7),
        "hue_factor": 0.1,
        **_RANGE,
    },
    "keras_cv:RandomContrast": {"factor": 0.4, **_RANGE},
    "keras_cv:RandomCutout": {"height_factor": 0.3, "width_factor": 0.3},
    "keras_cv:RandomFlip": {"mode": "horizontal"},
    "keras_cv:RandomGaussianBlur": {"kernel_size": 3, "factor": (0.0, 2.0)},
    "keras_cv:RandomHue": {"factor": 0.1, **_RANGE},
    "keras_cv:RandomRotation": {"factor": 0.05},
    "keras_cv:RandomSaturation": _HALF_TO_MORE,
    "keras_cv:RandomSharpness": {"factor": 0.5, **_RANGE},
    "keras_cv:RandomShear": {"x_factor": 0.1, "y_factor": 0.1},
    "keras_cv:RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "keras_cv:RandomZoom": {"height_factor": 0.2},
    "keras_cv:Solarization": _RANGE,
}

_MIXES = "mixes images and labels of a batch; set mixup=0.2 or cutmix=1.0 instead"
_RESIZES = "changes the size of images; set image_size, crop and crop_area instead"
_BOXES = "needs bounding boxes or masks, which a classifier's images do not have"
_PARTS = "is made of other layers; pass it to train as an object"

# What speaks against a name, but not against an object with arguments of its own.
REASONS_OF_NAMES = (_PARTS, _RESIZES)

# Preprocessing layers that are not offered by name, and why.
REFUSED: Mapping[str, str] = {
    "keras:AugMix": (
        "draws its operations by Python's random when its graph is made, once a "
        "process; use keras_cv:AugMix"
    ),
    "keras:CenterCrop": _RESIZES,
    "keras:CutMix": _MIXES,
    "keras:MaxNumBoundingBoxes": _BOXES,
    "keras:MixUp": _MIXES,
    "keras:Normalization": "returns no pixels in [0, 255]; the model standardizes them",
    "keras:Pipeline": _PARTS,
    "keras:RandomCrop": _RESIZES,
    "keras:Rescaling": "returns no pixels in [0, 255]; the model standardizes them",
    "keras:Resizing": _RESIZES,
    "keras_cv:Augmenter": _PARTS,
    "keras_cv:CutMix": _MIXES,
    "keras_cv:FourierMix": _MIXES,
    "keras_cv:JitteredResize": _RESIZES,
    "keras_cv:MixUp": _MIXES,
    "keras_cv:Mosaic": _MIXES,
    "keras_cv:RandomApply": _PARTS,
    "keras_cv:RandomAspectRatio": _RESIZES,
    "keras_cv:RandomAugmentationPipeline": _PARTS,
    "keras_cv:RandomChoice": _PARTS,
    "keras_cv:RandomCopyPaste": _BOXES,
    "keras_cv:RandomCrop": _RESIZES,
    "keras_cv:RandomCropAndResize": _RESIZES,
    "keras_cv:RandomJpegQuality": "turns pixels in [0, 255] into values in [0, 1]",
    "keras_cv:RepeatedAugmentation": "enlarges the batch; set repeats=2 instead",
    "keras_cv:Rescaling": "returns no pixels in [0, 255]; the model standardizes them",
    "keras_cv:Resizing": _RESIZES,
    "keras_cv:SwapBackground": _BOXES,
}


def needs_keras_cv() -> str:
    """Return what installs KerasCV, as a sentence."""
    return f"Layers and networks of KerasCV need that package: {install('keras_cv')}."


def check_names(names: Iterable[str]) -> None:
    """Refuse names that are not offered.

    Raises:
        ValueError: with the reason, or a name that is similar.

    Example:

    >>> check_names(["keras_cv:AugMix", "keras_cv:GridMask"])
    """
    for name in names:
        if name in REFUSED:
            raise ValueError(
                f"augmentation cannot be {name}, which {REFUSED[name]}. "
                f"Received: augmentation={','.join(names)}"
            )
        if name not in LAYERS:
            expected = (
                "a name such as keras:RandAugment or keras_cv:AugMix; the reference of "
                "recipes lists all"
            )
            raise ValueError(unknown("augmentation", name, LAYERS, expected=expected))
