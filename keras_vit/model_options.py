"""The types of what the factories take by keyword, for editors and type checkers.

`keras_vit.model.ViT` explains each option; a call returns one line for a keyword
that is in none of these tables.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from keras_vit.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

    from keras_vit.layers import PoolingConfig
    from keras_vit.layers.block_config import Block

Size: TypeAlias = int | Sequence[int]  # both sides, or (height, width)
PerChannel: TypeAlias = float | Sequence[float]  # or (red, green, blue)
Path: TypeAlias = str | os.PathLike[str]
NumClasses: TypeAlias = int | Literal["auto"] | None

Pooling: TypeAlias = Literal[
    "token", "gap", "map", "max", "gap_max", "token_gap", "prefix_gap"
]
Activation: TypeAlias = Literal["gelu_tanh", "gelu_erf", "gelu_quick", "silu"]
PositionEmbedding: TypeAlias = Literal[
    "learned", "none", "sincos_2d", "learned_2d", "factorized", "relative", "rope_2d"
]
PositionEmbeddingAt: TypeAlias = Literal["input", "every_layer", "every_layer_shared"]
PositionInterpolation: TypeAlias = Literal[
    "bilinear",
    "bilinear_antialias",
    "bilinear_half_pixels",
    "bicubic",
    "bicubic_corners",
    "bicubic_antialias",
    "bilinear_square",
    "bilinear_half_pixels_square",
    "bicubic_antialias_square",
]
Standardization: TypeAlias = Literal["deviation", "variance"]


class ModelOptions(TypedDict, total=False):
    """What every factory of Vision Transformers takes by keyword."""

    image_size: Size | None
    weights: Path | None
    architecture: str | None
    source_grid: tuple[int, int] | None
    pooling: "Pooling | PoolingConfig | Mapping[str, Any] | None"
    representation_size: int | None
    position_embedding: PositionEmbedding
    position_embedding_at: PositionEmbeddingAt | None
    position_interpolation: PositionInterpolation | None
    num_registers: int
    class_token: bool | None
    distillation: bool
    fc_norm: bool
    layer_scale: float | None
    qk_norm: bool
    dropout_rate: float
    attention_dropout_rate: float
    drop_path_rate: float
    token_merging: int
    patch_dropout_rate: float
    activation: Activation
    layer_norm_epsilon: float
    block: "Block | Sequence[Block] | None"
    patch_bias: bool
    patch_norm: bool
    pre_norm: bool
    final_norm: bool
    head_bias: bool
    include_preprocessing: bool
    pixel_mean: PerChannel
    pixel_std: PerChannel
    evaluation_preprocessing: str | Preprocessing | None
    name: str


class VariantOptions(ModelOptions, total=False):
    """What `ViT_B16` and the other pure sizes take by keyword."""

    patch_size: Size


class HybridOptions(ModelOptions, total=False):
    """What `R50_ViT_B16` and the other hybrids take by keyword."""

    standardization: Standardization


class ViTOptions(ModelOptions, total=False):
    """What the general `ViT` takes by keyword."""

    patch_size: Size
    num_layers: int
    num_heads: int
    hidden_dim: int
    mlp_dim: int
    stem: "keras.layers.Layer | None"
