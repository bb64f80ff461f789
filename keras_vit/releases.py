"""The releases that can be named, one per row.

Google's files, https://github.com/google-research/vision_transformer,
Apache-2.0. The accuracies are top-1 on ImageNet, in per cent.
"""

import re
import urllib.parse
from dataclasses import KW_ONLY, dataclass

from keras_vit.variant_costs import Costs, costs_of
from keras_vit.variants import VARIANTS

BUCKET = "https://storage.googleapis.com/vit_models"
README = "README of google-research/vision_transformer"
BY_TIMM = "timm's measurement, bicubic preprocessing"


@dataclass(frozen=True)
class Release:
    """A published file.

    Attributes:
        variant: the factory that builds its model.
        name: what `weights=` calls it.
        file: its place in Google's bucket, without `.npz`.
        num_classes: of its head.
        image_size: the pixels it was trained with last.
        has_pre_logits: whether a layer stands before its head.
        top1: the published accuracy, in per cent; `None` where there is none.
        top1_source: who says so.
        licence: of the file.
        pixels: what the model makes of pixels x in [0, 255] before all else.
        preprocessing: how images become its size in evaluation, as
            `keras_vit.preprocessing` names it.
    """

    variant: str
    name: str
    file: str
    num_classes: int
    image_size: int
    _: KW_ONLY
    has_pre_logits: bool = False
    top1: float | None = None
    top1_source: str = ""
    licence: str = "Apache-2.0"
    pixels: str = "(x - 127.5) / 127.5"
    preprocessing: str = "vit_jax"

    @property
    def url(self) -> str:
        """The address that the file is downloaded from."""
        return f"{BUCKET}/{urllib.parse.quote(self.file)}.npz"

    @property
    def costs(self) -> Costs:
        """Its parameters, and the multiply-adds of an image of its size."""
        return costs_of(
            VARIANTS[self.variant],
            self.num_classes,
            self.image_size,
            has_pre_logits=self.has_pre_logits,
        )


def _augreg(variant, model, pretraining, fine_tuning, top1):
    """The recommended pair of "How to train your ViT?" (arXiv:2106.10270)."""
    file = f"augreg/{model}-i21k-300ep-lr_0.001-{pretraining}"
    tuned = f"{file}--imagenet2012-steps_20k-lr_{fine_tuning}-res_384"
    return (
        Release(variant, "augreg_in21k", file, 21_843, 224),
        Release(
            variant,
            "augreg_in21k_in1k",
            tuned,
            1000,
            384,
            top1=top1,
            top1_source=README,
        ),
    )


def _in21k(variant, model):
    """The ViT paper's own; the head is zero, its classes are not usable."""
    file = f"imagenet21k/{model}"
    return Release(variant, "in21k", file, 21_843, 224, has_pre_logits=True)


def _in1k(variant, model, image_size=384, top1=None, source=""):
    name = "in21k_in1k" if image_size == 384 else f"in21k_in1k_{image_size}"
    suffix = "" if image_size == 384 else f"-{image_size}"
    file = f"imagenet21k+imagenet2012/{model}{suffix}"
    return Release(variant, name, file, 1000, image_size, top1=top1, top1_source=source)


def _sam(variant, model, top1=None, source=""):
    """Trained with sharpness-aware minimisation (arXiv:2106.01548)."""
    return Release(
        variant, "sam_in1k", f"sam/{model}", 1000, 224, top1=top1, top1_source=source
    )


# fmt: off
_ROWS = (
    *_augreg("ViT_Ti16", "Ti_16", "aug_none-wd_0.03-do_0.0-sd_0.0", 0.03, 78.22),
    *_augreg("ViT_S16", "S_16", "aug_light1-wd_0.03-do_0.0-sd_0.0", 0.03, 83.73),
    *_augreg("ViT_S32", "S_32", "aug_none-wd_0.1-do_0.0-sd_0.0", 0.01, 79.58),
    *_augreg("ViT_B16", "B_16", "aug_medium1-wd_0.1-do_0.0-sd_0.0", 0.03, 85.49),
    *_augreg("ViT_B32", "B_32", "aug_light1-wd_0.1-do_0.0-sd_0.0", 0.01, 83.59),
    *_augreg("ViT_L16", "L_16", "aug_strong1-wd_0.1-do_0.0-sd_0.0", 0.01, 85.59),
    *_augreg("R_ViT_Ti16", "R_Ti_16", "aug_none-wd_0.03-do_0.0-sd_0.0", 0.03, 75.40),
    *_augreg("R26_ViT_S32", "R26_S_32", "aug_light1-wd_0.1-do_0.0-sd_0.0", 0.01, 83.85),
    *_augreg(
        "R50_ViT_L32", "R50_L_32", "aug_medium1-wd_0.1-do_0.1-sd_0.1", 0.01, 85.99
    ),
    _in21k("ViT_B8", "ViT-B_8"),
    _in21k("ViT_B16", "ViT-B_16"),
    _in21k("ViT_B32", "ViT-B_32"),
    _in21k("ViT_L16", "ViT-L_16"),
    _in21k("ViT_L32", "ViT-L_32"),
    _in21k("ViT_H14", "ViT-H_14"),
    _in21k("R26_ViT_B32", "R26+ViT-B_32"),
    _in21k("R50_ViT_B16", "R50+ViT-B_16"),
    _in21k("R50_ViT_L32", "R50+ViT-L_32"),
    _in1k("ViT_B8", "ViT-B_8"),
    _in1k("ViT_B16", "ViT-B_16", 384, 84.21, BY_TIMM),
    _in1k("ViT_B16", "ViT-B_16", 224, 81.2, README),
    _in1k("ViT_B32", "ViT-B_32"),
    _in1k("ViT_L16", "ViT-L_16"),
    _in1k("ViT_L16", "ViT-L_16", 224, 82.7, README),
    _in1k("ViT_L32", "ViT-L_32", 384, 81.51, BY_TIMM),
    _in1k("R50_ViT_B16", "R50+ViT-B_16", 384, 84.99, BY_TIMM),
    _sam("ViT_S16", "ViT-S_16"),
    _sam("ViT_B16", "ViT-B_16", 80.25, BY_TIMM),
    _sam("ViT_B32", "ViT-B_32", 73.70, BY_TIMM),
    _sam("ViT_L16", "ViT-L_16"),
    _sam("ViT_L32", "ViT-L_32"),
)
# fmt: on
RELEASES = {(release.variant, release.name): release for release in _ROWS}


def is_path(weights: str) -> bool:
    """Return whether weights are named by a path, whether or not it exists.

    Example:

    >>> is_path("folder/mine.npz"), is_path("augreg_in21k")
    (True, False)
    """
    return bool(re.search(r"[/\\]|^[.~]|\.(npz|safetensors|h5|keras)$", weights))


def list_weights(variant: str | None = None) -> list[Release]:
    """Return the releases that `weights=` can name.

    Args:
        variant: a factory's name, to get its releases alone.

    Returns:
        A list of `Release`.

    Example:

    >>> [release.name for release in list_weights("R26_ViT_S32")]
    ['augreg_in21k', 'augreg_in21k_in1k']
    """
    return [row for row in _ROWS if variant in (None, row.variant)]
