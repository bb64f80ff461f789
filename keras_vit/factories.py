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
from keras_vit.model_options import HybridOptions, NumClasses, ViTOptions
from keras_vit.size_factories import (
    ViT_B8,
    ViT_B14,
    ViT_B16,
    ViT_B32,
    ViT_G14,
    ViT_g14,
    ViT_g16,
    ViT_gopt16,
    ViT_H14,
    ViT_H16,
    ViT_L14,
    ViT_L16,
    ViT_L32,
    ViT_S14,
    ViT_S16,
    ViT_S32,
    ViT_So150m16,
    ViT_So400m14,
    ViT_So400m16,
    ViT_Ti16,
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
        ViT_S14,
        ViT_S16,
        ViT_S32,
        ViT_B8,
        ViT_B14,
        ViT_B16,
        ViT_B32,
        ViT_L14,
        ViT_L16,
        ViT_L32,
        ViT_H14,
        ViT_H16,
        ViT_g14,
        ViT_g16,
        ViT_gopt16,
        ViT_G14,
        ViT_So150m16,
        ViT_So400m14,
        ViT_So400m16,
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
