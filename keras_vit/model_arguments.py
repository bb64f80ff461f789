"""Checks of the arguments of `ViT`, before anything is built."""

import types
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_vit.counts import check_counts
from keras_vit.encoder_blocks import blocks_of, check_blocks
from keras_vit.layers import BlockConfig
from keras_vit.layers.mlp import ACTIVATIONS
from keras_vit.layers.patches import pair
from keras_vit.layers.pooling_config import READS_CLASS_TOKEN, PoolingConfig
from keras_vit.layers.position_embedding import POSITION_INTERPOLATIONS, place_of
from keras_vit.layers.token_merging import patches_left


class Plan(NamedTuple):
    """What the arguments of `ViT` come to.

    Attributes:
        image_size: (height, width), pixels.
        pool: what stands for the image; `None`: all tokens.
        blocks: what each block is made of.
        place: where positions come in, a value of `POSITION_EMBEDDINGS`.
        class_token: whether there is a class token.
    """

    image_size: tuple[int, int]
    pool: PoolingConfig | None
    blocks: tuple[BlockConfig, ...]
    place: str
    class_token: bool


def checked(arguments: Mapping[str, Any]) -> Plan:
    """Return what the arguments of `ViT` come to.

    Args:
        arguments: all of them, by name.

    Raises:
        ValueError: naming the argument, what was expected and what came.
    """
    given = types.SimpleNamespace(**arguments)
    height, width = pair(given.image_size, "image_size")
    pool = None if given.pooling is None else PoolingConfig.of(given.pooling)
    blocks = blocks_of(given.block, given.num_layers)
    place = place_of(given.position_embedding, given.position_embedding_at)
    if given.position_interpolation is not None:
        check_choice(
            "position_interpolation",
            given.position_interpolation,
            POSITION_INTERPOLATIONS,
        )
    check_choice("activation", given.activation, ACTIVATIONS)
    sizes = ("num_layers", "num_heads", "hidden_dim", "mlp_dim")
    check_counts(**{name: arguments[name] for name in sizes})
    check_counts(least=0, num_registers=given.num_registers)
    for name in ("num_classes", "representation_size"):
        if arguments[name] is not None:
            check_counts(or_none=", or None", **{name: arguments[name]})
    class_token = given.class_token
    if class_token is None:
        reads_prefix = pool is not None and pool.prefix_tokens
        reads_prefix = reads_prefix and not given.num_registers
        class_token = pool is None or pool.kind in READS_CLASS_TOKEN or reads_prefix
    check_pooling(
        pool, given.num_classes, fc_norm=given.fc_norm, final_norm=given.final_norm
    )
    check_tokens(
        pool,
        class_token,
        given.distillation,
        given.fc_norm,
        given.representation_size,
    )
    rates = ("dropout_rate", "attention_dropout_rate", "drop_path_rate")
    rates = (*rates, "patch_dropout_rate")
    check_rates(**{name: arguments[name] for name in rates})
    check_patch_dropout(given.patch_dropout_rate, given.position_embedding, place)
    check_sizes(
        height,
        width,
        given.patch_size,
        given.stem,
        num_heads=given.num_heads,
        hidden_dim=given.hidden_dim,
    )
    check_widths(given.position_embedding, given.num_heads, given.hidden_dim)
    check_merging(given.token_merging, given.position_embedding, place)
    check_blocks(
        blocks,
        given.hidden_dim // given.num_heads,
        patch_dropout_rate=given.patch_dropout_rate,
        token_merging=given.token_merging,
    )
    return Plan((height, width), pool, blocks, place, bool(class_token))


def check_choice(argument: str, value: object, choices: Collection[str]) -> None:
    """Refuse a word that is none of the choices."""
    if value not in choices:
        raise ValueError(
            f"{argument} must be one of {', '.join(choices)}. "
            f"Received: {argument}={value!r}"
        )


def check_sizes(
    height: int,
    width: int,
    patch_size: int | Sequence[int],
    stem: keras.layers.Layer | None,
    *,
    num_heads: int,
    hidden_dim: int,
) -> None:
    """Refuse images smaller than a patch, and heads that do not divide the width."""
    rows, columns = pair(patch_size, "patch_size")
    if stem is None and (height < rows or width < columns):
        raise ValueError(
            "image_size must be at least one patch. "
            f"Expected height >= {rows} and width >= {columns}. "
            f"Received: image_size=({height}, {width})"
        )
    if stem is not None:
        feature_map = tuple(stem.compute_output_shape((None, height, width, 3)))
        if len(feature_map) != 4 or not (
            feature_map[1] >= rows and feature_map[2] >= columns
        ):
            raise ValueError(
                "stem must return a feature map (batch, height, width, channels) of at "
                f"least one patch, {rows} x {columns}. Received: {feature_map} for "
                f"image_size=({height}, {width})"
            )
    if hidden_dim % num_heads:
        raise ValueError(
            "num_heads must divide hidden_dim. "
            f"Received: num_heads={num_heads}, hidden_dim={hidden_dim}"
        )


def check_widths(position_embedding: str, num_heads: int, hidden_dim: int) -> None:
    """Refuse a width that positions cannot be halved or turned in."""
    if position_embedding == "learned_2d" and hidden_dim % 2:
        raise ValueError(
            'position_embedding="learned_2d" needs an even hidden_dim. '
            f"Received: hidden_dim={hidden_dim}"
        )
    if position_embedding == "rope_2d" and hidden_dim // num_heads % 4:
        raise ValueError(
            'position_embedding="rope_2d" needs heads whose features 4 divides. '
            f"Received: hidden_dim={hidden_dim}, num_heads={num_heads}"
        )


def check_rates(**rates: float) -> None:
    """Refuse what is no probability below 1."""
    for argument, rate in rates.items():
        if not isinstance(rate, int | float | np.number) or not 0 <= rate < 1:
            raise ValueError(
                f"{argument} must lie in [0, 1). Received: {argument}={rate!r}"
            )


def check_patch_dropout(rate: float, position_embedding: str, place: str) -> None:
    """Refuse to leave patches out where blocks need the whole grid."""
    if rate and place != "input":
        raise ValueError(
            "patch_dropout_rate leaves patches out before the first block, so "
            "positions must come in at the input. Expected another "
            "position_embedding, position_embedding_at='input', or "
            f"patch_dropout_rate=0. Received: patch_dropout_rate={rate}, "
            f"position_embedding={position_embedding!r}, in {place}"
        )


def check_pooling(
    pool: PoolingConfig | None,
    num_classes: int | None,
    *,
    fc_norm: bool,
    final_norm: bool,
) -> None:
    """Refuse a head of tokens that are not pooled, and norms without a place."""
    if pool is None and num_classes is not None:
        raise ValueError(
            "pooling=None returns all tokens, which no head reads. Expected "
            f"num_classes=None. Received: num_classes={num_classes}"
        )
    if fc_norm and not final_norm:
        raise ValueError(
            "fc_norm says where the final norm stands. Expected final_norm=True. "
            "Received: final_norm=False"
        )


def check_tokens(
    pool: PoolingConfig | None,
    class_token: bool,
    distillation: bool,
    fc_norm: bool,
    representation_size: int | None,
) -> None:
    """Refuse tokens and a pooling that do not go together."""
    kind = pool and pool.kind
    if kind in READS_CLASS_TOKEN and not class_token:
        raise ValueError(
            f'pooling="{kind}" reads the class token, so class_token=False '
            'clashes with it. Expected pooling="gap" or "map" without one.'
        )
    if distillation and (kind != "token" or fc_norm or representation_size):
        raise ValueError(
            'distillation needs pooling="token", without fc_norm and '
            "without representation_size."
        )
    if fc_norm and kind not in ("gap", "max", "gap_max"):
        raise ValueError(
            f'fc_norm goes with pooling="gap", "max" or "gap_max". Received: {kind!r}'
        )


def check_merging(token_merging: int, position_embedding: str, place: str) -> None:
    """Refuse merged tokens where positions come in that they no longer have."""
    check_counts(least=0, token_merging=token_merging)
    if token_merging and place != "input":
        raise ValueError(
            "token_merging needs positions that come in before the first block: a "
            "merged token has no place of its own. "
            f"Received: position_embedding={position_embedding!r} at {place!r}"
        )


def warn_of_merging(token_merging: int, num_patches: int, num_blocks: int) -> None:
    """Warn where hardly a patch is left: of more in all than there are to merge.

    The paper (arXiv:2210.09461) stays below that: r = 16 in the 12 blocks of
    ViT-B and 8 in the 24 of ViT-L, of 196 patches, and 7 in the 32 of ViT-H, of
    256. Then only the last block has fewer than 2r patches left to merge.
    """
    if num_blocks < 2 or token_merging * num_blocks <= num_patches:
        return
    left = patches_left(num_patches, num_blocks, token_merging)[-1]
    warnings.warn(
        f"token_merging={token_merging} leaves {left} of {num_patches} patches after "
        f"{num_blocks} blocks, so that outputs may be far from those of the model "
        f"without merging. Expected at most {num_patches // num_blocks}, for which "
        "the paper's blocks have patches enough. Compare both on your own data",
        stacklevel=5,
    )
