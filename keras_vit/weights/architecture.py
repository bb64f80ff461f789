"""What a model is made of, as far as weights depend on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_vit import layers
from keras_vit.layers import BlockConfig, PoolingConfig
from keras_vit.layers.tensors import Shape
from keras_vit.pooling import pooling_of

KERNEL = "patch_encoder/projection/kernel"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Facts of a ViT of this package.

    Attributes:
        num_heads: attention heads of a block.
        patch_size: (height, width) of a patch.
        grid: (rows, columns) of patches.
        num_first_tokens: class and distillation token, where there are any.
        num_registers: register tokens.
        stem: the class of a hybrid's stem by name; `None`: there is none.
        root_alone: whether the stem is a ResNet's root without stages.
        standardization: of the stem's kernels, a key of
            `layers.resnet.STANDARDIZATIONS`; `None`: there is no such stem.
        pooling: what stands for the image; `None`: all tokens.
        fc_norm: whether the final norm follows pooling.
        blocks: what each block is made of.
        activation: a key of `layers.mlp.ACTIVATIONS`.
        layer_norm_epsilon: of every layer normalisation.
        position_embedding: at the input or inside attention, a key of
            `layers.position_embedding.POSITION_EMBEDDINGS`.
        position_interpolation: how its tables are resized, one of
            `layers.position_embedding.POSITION_INTERPOLATIONS`; `None`: no
            weights have settled it.
    """

    num_heads: int
    patch_size: tuple[int, int]
    grid: tuple[int, int]
    num_first_tokens: int
    num_registers: int
    stem: str | None
    root_alone: bool
    standardization: str | None
    pooling: PoolingConfig | None
    fc_norm: bool
    blocks: tuple[BlockConfig, ...]
    activation: str
    layer_norm_epsilon: float
    position_embedding: str
    position_interpolation: str | None


def describe(model: keras.Model) -> Architecture:
    """Return the `Architecture` of a model.

    Raises:
        ValueError: if it is no ViT that this package built.
    """
    found = {layer.name: layer for layer in model.layers}
    missing = {"patches", "patch_encoder", "block_00"} - found.keys()
    if missing:
        raise ValueError(
            "Expected a model that a ViT factory of keras_vit built. "
            f"Received: {model.name!r}, without the layers {', '.join(sorted(missing))}"
        )
    encoder, block = found["patch_encoder"], found["block_00"]
    blocks = [layer for name, layer in found.items() if name.startswith("block_")]
    inside = block.position_embedding
    return Architecture(
        num_heads=block.num_heads,
        patch_size=tuple(found["patches"].patch_size),
        grid=tuple(encoder.grid),
        num_first_tokens=len(encoder.first_tokens),
        num_registers=encoder.num_registers,
        stem=type(found["stem"]).__name__ if "stem" in found else None,
        root_alone=getattr(found.get("stem"), "blocks", None) == (),
        standardization=getattr(found.get("stem"), "standardization", None),
        pooling=pooling_of(model),
        fc_norm="norm" in found and len(found["norm"].output.shape) == 2,
        blocks=tuple(layer.config for layer in blocks),
        activation=block.activation,
        layer_norm_epsilon=block.layer_norm_epsilon,
        position_embedding=encoder.position_embedding if inside == "none" else inside,
        position_interpolation=encoder.position_interpolation,
    )


def check_patches_of_pixels(model: keras.Model) -> None:
    """Refuse a model whose patch embedding reads something else than pixels.

    Raises:
        ValueError: for a hybrid, or what is no ViT.
    """
    before = []
    for layer in model.layers:
        if isinstance(layer, layers.Patches):
            break
        before.append(layer)
    else:
        raise ValueError(
            "patch_size is that of a ViT that a factory of keras_vit built. "
            f"Received: {model.name!r}, without a layer of patches"
        )
    pixels = keras.layers.InputLayer, layers.PixelNormalization
    stem = [layer.name for layer in before if not isinstance(layer, pixels)]
    if stem:
        raise ValueError(
            "Patches are resized as pictures are, so they must hold pixels. "
            f"Received: the hybrid {model.name!r}, whose patches are of the feature "
            f"map of {', '.join(stem)}. Resize its images instead (image_size)."
        )


def shapes(model: keras.layers.Layer) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its path."""
    return {weight.path: tuple(weight.shape) for weight in weights(model)}


def weights(model: keras.layers.Layer) -> list[Any]:
    """Return what a checkpoint holds of a model: all but states of random draws."""
    return [weight for weight in model.weights if "seed_generator" not in weight.path]


def empty(shape: Shape) -> np.ndarray:
    """Return an array of a shape that takes no memory, to try changes of shape on."""
    return np.broadcast_to(np.float32(0), shape)
