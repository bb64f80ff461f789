"""What users call: a function for every size of Vision Transformer.

`keras_vit.model.ViT` explains every option, `ViT_B16` those of weights.
"""

import inspect
from collections.abc import Callable
from typing import Unpack, get_args

import keras

from keras_vit import baselines, kerascv_networks
from keras_vit.baselines import ResNet, ResNet_R26, ResNet_R50
from keras_vit.choices import KERAS_CV_PREFIX
from keras_vit.model_options import (
    HybridOptions,
    NumClasses,
    VariantOptions,
    ViTOptions,
)
from keras_vit.with_weights import build_variant, build_vit


def ViT(num_classes: NumClasses = "auto", **options: Unpack[ViTOptions]) -> keras.Model:
    """Build a Vision Transformer of any size, with weights if you like.

    Args:
        num_classes: logits to return; `None`: no head, the model returns the
            features. `"auto"`: as many as `weights` have, or 1000 without.
        **options: `image_size`, `weights`, `architecture`, `source_grid` (see the
            sizes such as `ViT_B16`) and every argument of `keras_vit.model.ViT`, by
            keyword. With weights, sizes that are not given are those of the file.

    Returns:
        A functional `keras.Model`, RGB pixels in [0, 255] -> float32 logits.

    Raises:
        TypeError: for a keyword that is none of `ViTOptions`.
        ValueError: before anything is built, naming the argument, what was
            expected and what was received.

    Example:

    >>> model = keras_vit.ViT(10, image_size=32, patch_size=8, num_layers=2,
    ...                       num_heads=4, hidden_dim=32, mlp_dim=64)
    """
    return build_vit(num_classes, options)


def ViT_Ti16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-Ti/16: 12 blocks of width 192, 3 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_Ti16", num_classes, options)


def ViT_S16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-S/16: 12 blocks of width 384, 6 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_S16", num_classes, options)


def ViT_S32(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-S/32: 12 blocks of width 384, 6 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_S32", num_classes, options)


def ViT_B8(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-B/8: 12 blocks of width 768, 12 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_B8", num_classes, options)


def ViT_B16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-B/16: 12 blocks of width 768, 12 heads.

    Args:
        num_classes: logits to return; `None`: no head, the model returns the
            features. `"auto"`: as many as `weights` have (no head if they have
            none), or 1000 without weights. Another number than theirs replaces
            their head, and a pre-logits layer with it, by a zero head.
        **options: by keyword, what `VariantOptions` lists: `image_size` (by
            default that of the weights, or 224); `weights`: a release's name
            (see `list_weights`), `hf:<owner>/<name>` or the path of a file,
            which set the form of GELU, epsilon, pooling, preprocessing and the
            rest of what they were trained with; `architecture`: the publisher's
            name of the model, where a bare file could be several, such as timm's
            `"vit_base_patch16_clip_224"`; `source_grid`: the (rows,
            columns) of patches that their positions are for, where a bare file
            could be read otherwise; `patch_size`: another than the name says, to
            which weights are resized; and the arguments of `keras_vit.model.ViT`
            that the name leaves open.

    Returns:
        A functional `keras.Model`, RGB pixels in [0, 255] -> float32 logits.

    Example:

    >>> model = keras_vit.ViT_B16(num_classes=10)  # doctest: +SKIP
    """
    return build_variant("ViT_B16", num_classes, options)


def ViT_B32(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-B/32: 12 blocks of width 768, 12 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_B32", num_classes, options)


def ViT_L16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-L/16: 24 blocks of width 1024, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_L16", num_classes, options)


def ViT_L32(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-L/32: 24 blocks of width 1024, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_L32", num_classes, options)


def ViT_H14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-H/14: 32 blocks of width 1280, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_H14", num_classes, options)


def ViT_g14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-g/14: 40 blocks of width 1408, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_g14", num_classes, options)


def ViT_G14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-G/14: 48 blocks of width 1664, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_G14", num_classes, options)


def R_ViT_Ti16(
    num_classes: NumClasses = "auto", **options: Unpack[HybridOptions]
) -> keras.Model:
    """Build R+Ti/16: 12 blocks of width 192, 3 heads on a ResNet's root.

    Takes what `ViT_B16` takes, but `standardization` for `patch_size`.
    """
    return build_variant("R_ViT_Ti16", num_classes, options)


def R26_ViT_S32(
    num_classes: NumClasses = "auto", **options: Unpack[HybridOptions]
) -> keras.Model:
    """Build R26+S/32: 12 blocks of width 384, 6 heads, ResNet 2, 2, 2, 2.

    Takes what `ViT_B16` takes, but `standardization` for `patch_size`.
    """
    return build_variant("R26_ViT_S32", num_classes, options)


def R26_ViT_B32(
    num_classes: NumClasses = "auto", **options: Unpack[HybridOptions]
) -> keras.Model:
    """Build R26+B/32: 12 blocks of width 768, 12 heads, ResNet 2, 2, 2, 2.

    Takes what `ViT_B16` takes, but `standardization` for `patch_size`.
    """
    return build_variant("R26_ViT_B32", num_classes, options)


def R50_ViT_B16(
    num_classes: NumClasses = "auto", **options: Unpack[HybridOptions]
) -> keras.Model:
    """Build R50+B/16: 12 blocks of width 768, 12 heads, ResNet 3, 4, 9.

    Takes what `ViT_B16` takes, but `standardization` for `patch_size`.
    """
    return build_variant("R50_ViT_B16", num_classes, options)


def R50_ViT_B32(
    num_classes: NumClasses = "auto", **options: Unpack[HybridOptions]
) -> keras.Model:
    """Build R50+B/32: 12 blocks of width 768, 12 heads, ResNet 3, 4, 6, 3.

    Takes what `ViT_B16` takes, but `standardization` for `patch_size`.
    """
    return build_variant("R50_ViT_B32", num_classes, options)


def R50_ViT_L16(
    num_classes: NumClasses = "auto", **options: Unpack[HybridOptions]
) -> keras.Model:
    """Build R50+L/16: 24 blocks of width 1024, 16 heads, ResNet 3, 4, 9.

    Takes what `ViT_B16` takes, but `standardization` for `patch_size`.
    """
    return build_variant("R50_ViT_L16", num_classes, options)


def R50_ViT_L32(
    num_classes: NumClasses = "auto", **options: Unpack[HybridOptions]
) -> keras.Model:
    """Build R50+L/32: 24 blocks of width 1024, 16 heads, ResNet 3, 4, 6, 3.

    Takes what `ViT_B16` takes, but `standardization` for `patch_size`.
    """
    return build_variant("R50_ViT_L32", num_classes, options)


Factory = Callable[..., keras.Model]
FACTORIES: dict[str, Factory] = {
    one.__name__: one
    for one in (
        ViT,
        ViT_Ti16,
        ViT_S16,
        ViT_S32,
        ViT_B8,
        ViT_B16,
        ViT_B32,
        ViT_L16,
        ViT_L32,
        ViT_H14,
        ViT_g14,
        ViT_G14,
        R_ViT_Ti16,
        R26_ViT_S32,
        R26_ViT_B32,
        R50_ViT_B16,
        R50_ViT_B32,
        R50_ViT_L16,
        R50_ViT_L32,
        ResNet,
        ResNet_R26,
        ResNet_R50,
    )
}


def arguments_of(factory: Factory) -> tuple[str, ...]:
    """Return the names of what a factory takes, `num_classes` first."""
    if isinstance(factory, baselines.Application | kerascv_networks.KerasCVNetwork):
        return factory.arguments()
    names: list[str] = []
    for name, one in inspect.signature(factory).parameters.items():
        if one.kind is one.VAR_KEYWORD:  # Unpack[a table of options]
            (table,) = get_args(one.annotation)
            names += table.__annotations__
        else:
            names.append(name)
    return tuple(names)


def find(name: str) -> Factory | None:
    """Return the factory of a name, also of Keras's and KerasCV's networks.

    Args:
        name: such as `"ViT_B16"`, `"keras:EfficientNetV2B0"`, `"keras_cv:ResNet18"`.

    Returns:
        A function, or `None` where there is none of that name, as of a path.

    Raises:
        ValueError: for a network that Keras or KerasCV does not have.
    """
    if name.startswith(baselines.PREFIX):
        return baselines.application(name.removeprefix(baselines.PREFIX))
    if name.startswith(KERAS_CV_PREFIX):
        return kerascv_networks.network(name.removeprefix(KERAS_CV_PREFIX))
    return FACTORIES.get(name)
