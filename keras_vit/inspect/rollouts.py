"""Attention rollout: what of the image reaches the model's head.

Appendix D.8 of the ViT paper, after Abnar and Zuidema (arXiv:2005.00928).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from keras_vit.inspect.blocks import (
    HeadInput,
    attending_layers,
    attention_tensors,
    blocks_of,
)
from keras_vit.inspect.figure_spec import (
    ATTENTION,
    EVERY_TOKEN,
    FigureSpec,
    over_pictures,
)
from keras_vit.inspect.images import Images, model_and_images
from keras_vit.inspect.inspector import inspector, reading_model
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend

Fusion: TypeAlias = Literal["mean", "max", "min"]
FUSIONS = {"mean": ops.mean, "max": ops.max, "min": ops.min}


def rollout(
    attentions: Iterable[Any],
    fusion: Fusion = "mean",
    discard: float = 0.0,
    residual: bool = True,
) -> Any:
    """Multiply the attention of all blocks, residual connections included.

    With A the heads' attention fused, each block passes on A' = A + I, its
    rows divided by their sums, and all of them A'_L ... A'_2 A'_1: the form of
    Abnar and Zuidema (arXiv:2005.00928, section 3). The ViT paper (appendix
    D.8) averages the heads and multiplies the blocks, and does not speak of
    the residual: that is `residual=False`, A' = A.

    B images, H heads, N tokens.

    Args:
        attentions: one `(B, H, N, N)` array a block, the first block first.
        fusion: of the heads: `"mean"`, `"max"` or `"min"`.
        discard: the share, in [0, 1), of each image's N x N entries of A that
            are set to 0 in each block, the smallest, before the residual.
            Entries as large as the smallest that stays, stay.
        residual: whether I is added.

    Returns:
        `(B, N, N)`, a tensor of Keras's backend: how much of each token at the
        encoder's entrance is in each token at its end. Rows sum to 1; without
        the residual, a row of which all is discarded sums to 0.

    Raises:
        ValueError: for another fusion, a share outside [0, 1), or no attention.

    Example:

    >>> identity = np.eye(5)[None, None]
    >>> np.allclose(rollout([identity, identity]), identity[0])
    True
    """
    check_choices(fusion, discard)
    joint = None
    for attention in attentions:
        a = FUSIONS[fusion](attention, axis=1)
        if discard:
            a = _without_smallest(a, discard)
        if residual:
            a = a + ops.eye(a.shape[-1], dtype=a.dtype)
        a = a / ops.maximum(ops.sum(a, axis=-1, keepdims=True), 1e-30)
        joint = a if joint is None else ops.matmul(a, joint)
    if joint is None:
        raise ValueError("Expected the attention of at least one block. Received: none")
    return joint


def check_choices(fusion: str, discard: float) -> None:
    """Refuse choices that `rollout` does not have.

    Raises:
        ValueError: naming the choice, and what is expected.
    """
    if fusion not in FUSIONS:
        raise ValueError(
            f"fusion must be one of {', '.join(FUSIONS)}. Received: fusion={fusion!r}"
        )
    if not 0 <= discard < 1:
        raise ValueError(
            "discard must be a share of the attention, at least 0 and less than 1. "
            f"Received: discard={discard!r}"
        )


def _without_smallest(a, share):
    """`(B, N, N)` with that share of each image's entries, the smallest, 0."""
    entries = a.shape[-2] * a.shape[-1]
    ordered = ops.sort(ops.reshape(a, (-1, entries)), axis=-1)
    least = ordered[:, int(share * entries), None, None]  # of those that stay
    return ops.where(a < least, ops.zeros_like(a), a)


def rollout_model(
    model: keras.Model,
    fusion: Fusion = "mean",
    discard: float = 0.0,
    residual: bool = True,
) -> keras.Model:
    """Return a model of images `(B, H, W, 3)` to maps `(B, rows, columns)`.

    See `attention_rollout`.
    """
    blocks, head_input = len(blocks_of(model)), HeadInput(model)

    def maps(attentions):
        joint = rollout(attentions[:blocks], fusion, discard, residual)
        weights = [ops.mean(one, axis=1) for one in attentions[blocks:]]
        return head_input.read(joint, *weights)

    attentions = attention_tensors(attending_layers(model))
    return reading_model(model, attentions, maps, "attention_rollout")


def attention_rollout(
    model: ModelSource,
    images: Images,
    fusion: Fusion = "mean",
    discard: float = 0.0,
    residual: bool = True,
) -> np.ndarray:
    """Return a map over each image of what reaches the model's head.

    The rows that are read follow from the model's pooling: of `"token"` the
    class token (with a distillation token, the mean of both), of `"gap"` the
    mean of the patches, of `"map"` the patches weighed by the attention of the
    pooling, in the mean over its heads.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.
        fusion: of the heads: `"mean"`, `"max"` or `"min"`; see `rollout`.
        discard: the share of attention to discard, in [0, 1); see `rollout`.
        residual: whether residual connections count; see `rollout`.

    Returns:
        `(B, rows, columns)` over the grid of patches, of a hybrid over the
        grid of its feature map: each patch's share. What is missing to a sum
        of 1 comes from tokens that are no patches.

    Raises:
        ValueError: if the model has no block or merges tokens, for images that
            `read_images` refuses, another fusion, or a share outside [0, 1).

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> attention_rollout(model, np.zeros((2, 32, 48, 3))).shape
    (2, 2, 3)
    """
    check_choices(fusion, discard)
    keras_model, pixels = model_and_images(model, images)
    maps_of = inspector(keras_model, rollout_model, fusion, discard, residual)
    return maps_of.predict_on_batch(pixels)


def _measure(inspection):
    shares = attention_rollout(inspection.model, inspection.shown, **inspection.rollout)
    return {"shares": shares, "times_even": shares * shares[0].size}


def _draw(arrays, inspection):
    label = "Attention relative to uniform attention (1: uniform)"
    return over_pictures(inspection, arrays["times_even"], "Attention rollout", label)


def _describe(arrays, inspection):
    least, most = arrays["times_even"].min(), arrays["times_even"].max()
    text = (
        f"Attention {inspection.reader}; patches have {least:.2g} to "
        f"{most:.2g} times the uniform attention."
    )
    choices = inspection.rollout
    if choices["fusion"] != "mean":
        text += f" Heads are fused by their {choices['fusion']}."
    if choices["discard"]:
        text += f" The smallest {100 * choices['discard']:g} % are discarded."
    if not choices["residual"]:
        text += " Without residual connections."
    return text


ROLLOUT = FigureSpec(
    "Attention rollout",
    "How much of each patch reaches the input of the head: the product of the "
    "attention of all layers, with their residual connections. Bright patches "
    "contribute most; 1 is uniform attention. Section 4.5, Fig. 6 and appendix D.8 of "
    "the ViT paper, after Abnar and Zuidema (arXiv:2005.00928).",
    measure=_measure,
    draw=_draw,
    describe=_describe,
    needs=(ATTENTION, EVERY_TOKEN),
)
