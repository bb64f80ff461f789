"""A function for every size of a pure Vision Transformer; the rows of `VARIANTS`."""

from typing import Unpack

import keras

from keras_vit.model_options import NumClasses, VariantOptions
from keras_vit.with_weights import build_variant


def ViT_Ti16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-Ti/16: 12 blocks of width 192, 3 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_Ti16", num_classes, options)


def ViT_S14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-S/14: 12 blocks of width 384, 6 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_S14", num_classes, options)


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


def ViT_B14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-B/14: 12 blocks of width 768, 12 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_B14", num_classes, options)


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


def ViT_L14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-L/14: 24 blocks of width 1024, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_L14", num_classes, options)


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


def ViT_H16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-H/16: 32 blocks of width 1280, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_H16", num_classes, options)


def ViT_g14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-g/14: 40 blocks of width 1408, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_g14", num_classes, options)


def ViT_g16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-g/16: 40 blocks of width 1408, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_g16", num_classes, options)


def ViT_gopt16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-g-opt/16: 40 blocks of width 1536, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_gopt16", num_classes, options)


def ViT_G14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-G/14: 48 blocks of width 1664, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_G14", num_classes, options)


def ViT_So150m16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-So150m/16: 18 blocks of width 896, 14 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_So150m16", num_classes, options)


def ViT_So400m14(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-So400m/14: 27 blocks of width 1152, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_So400m14", num_classes, options)


def ViT_So400m16(
    num_classes: NumClasses = "auto", **options: Unpack[VariantOptions]
) -> keras.Model:
    """Build ViT-So400m/16: 27 blocks of width 1152, 16 heads.

    Takes what `ViT_B16` takes.
    """
    return build_variant("ViT_So400m16", num_classes, options)
