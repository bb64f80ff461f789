"""timm's names of models -> ours.

`vit_base_patch16_224.augreg_in21k_ft_in1k` is an architecture, the pixels of its
images and a tag: whose weights, trained on what.
"""

import re
from typing import Any, NamedTuple

ARCHITECTURES = {
    "vit_tiny_patch16": "ViT_Ti16",
    "vit_small_patch16": "ViT_S16",
    "vit_small_patch32": "ViT_S32",
    "vit_base_patch8": "ViT_B8",
    "vit_base_patch16": "ViT_B16",
    "vit_base_patch32": "ViT_B32",
    "vit_large_patch14": "ViT_L14",
    "vit_large_patch16": "ViT_L16",
    "vit_large_patch32": "ViT_L32",
    "vit_huge_patch14": "ViT_H14",
    "vit_giant_patch14": "ViT_g14",
    "vit_gigantic_patch14": "ViT_G14",
    "vit_tiny_r_s16_p8": "R_ViT_Ti16",
    "vit_small_r26_s32": "R26_ViT_S32",
    "vit_base_r26_s32": "R26_ViT_B32",
    "vit_base_r50_s16": "R50_ViT_B16",
    "vit_large_r50_s32": "R50_ViT_L32",
    "deit_tiny_patch16": "ViT_Ti16",
    "deit_small_patch16": "ViT_S16",
    "deit_base_patch16": "ViT_B16",
    "deit_tiny_distilled_patch16": "ViT_Ti16",
    "deit_small_distilled_patch16": "ViT_S16",
    "deit_base_distilled_patch16": "ViT_B16",
}
PREFIX = re.compile(r"(hf[-_]hub:|hf:)?timm/|hf[-_]hub:(?=[^/]+$)")
NAME = re.compile(r"(?P<architecture>[a-z]\w*?)_(?P<size>\d{2,4})(\.(?P<tag>\w+))?")


class TimmName(NamedTuple):
    """What a name of timm's means.

    Attributes:
        variant: the factory of ours.
        image_size: the pixels of its images.
        weights: the repository on the Hugging Face hub, as `weights=` names it;
            `None` for a name without a tag.
        arguments: what the architecture has besides, without weights.
    """

    variant: str
    image_size: int
    weights: str | None
    arguments: dict[str, Any]


def read_timm_name(name: str) -> TimmName | None:
    """Return what a name of timm's means; `None` if it is none of the table.

    Args:
        name: such as `"vit_base_patch16_224.augreg_in21k_ft_in1k"`, with or without
            `timm/`, `hf-hub:timm/` or `hf:timm/` before it.

    Example:

    >>> read_timm_name("deit_tiny_patch16_224.fb_in1k").weights
    'hf:timm/deit_tiny_patch16_224.fb_in1k'
    """
    bare = PREFIX.sub("", name, count=1)
    found = NAME.fullmatch(bare)
    if found is None or found["architecture"] not in ARCHITECTURES:
        return None
    architecture = found["architecture"]
    arguments: dict[str, Any] = {"activation": "gelu_erf"}
    if architecture.startswith("deit"):
        mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
        arguments |= {"pixel_mean": mean, "pixel_std": std}
    if "distilled" in architecture:
        arguments["distillation"] = True
    if re.search(r"_r\d*_", architecture):
        arguments["standardization"] = "variance"
    return TimmName(
        ARCHITECTURES[architecture],
        int(found["size"]),
        f"hf:timm/{bare}" if found["tag"] else None,
        arguments,
    )


def hub_name(variant: str, weights: str) -> str:
    """Return `hf:<owner>/<name>` for a name of timm's; other names as they are.

    Raises:
        ValueError: for weights of another architecture, or for a name without a tag.
    """
    hub = re.fullmatch(r"hf[-_]hub:([^/]+/[^/]+)", weights)
    found = read_timm_name(weights)
    if found is None:
        owned = weights.startswith("timm/") and weights.count("/") == 1
        return f"hf:{hub[1]}" if hub else f"hf:{weights}" if owned else weights
    if variant not in (found.variant, "ViT"):
        raise ValueError(
            f"{variant}() cannot take weights={weights!r}, which are of "
            f"{found.variant}. Expected keras_vit.{found.variant}(weights=...)"
        )
    if found.weights is None:
        raise ValueError(
            f"{variant}() needs to know which weights of {weights!r} are meant. "
            f"Expected timm's tag behind a dot, such as {weights}.augreg_in21k_ft_in1k"
        )
    return found.weights
