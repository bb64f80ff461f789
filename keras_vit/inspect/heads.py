"""What each head of each block reads of the image."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit import figures
from keras_vit.inspect.blocks import (
    HeadInput,
    attending_layers,
    attention_tensors,
    blocks_of,
)
from keras_vit.inspect.figure_spec import ATTENTION, EVERY_TOKEN, FigureSpec
from keras_vit.inspect.images import Images, model_and_images
from keras_vit.inspect.inspector import inspector, reading_model
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend


def head_maps(model: ModelSource, images: Images) -> np.ndarray:
    """Return a map over each image of what each head of each block reads.

    Of a block's attention, the map is the rows that pooling passes to the head:
    of `"token"` the class token's (with a distillation token, the mean of
    both), of `"gap"` the mean of the patches' rows, of `"map"` the patches'
    rows weighed by the attention of the pooling, in the mean over its heads.

    L blocks, B images, H heads.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; image files, or
            whatever else `read_images` takes.

    Returns:
        `(L, B, H, rows, columns)` over the grid of patches: each patch's
        share. What is missing to a sum of 1 goes to tokens that are no
        patches.

    Raises:
        ValueError: if the model has no block or merges tokens, and for images
            that `read_images` refuses.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> head_maps(model, np.zeros((2, 32, 48, 3))).shape
    (12, 2, 3, 2, 3)
    """
    keras_model, pixels = model_and_images(model, images)
    maps = inspector(keras_model, _heads_model).predict_on_batch(pixels)
    return np.moveaxis(maps, 1, 0)


def _heads_model(model):
    blocks, head_input = len(blocks_of(model)), HeadInput(model)

    def maps(attentions):  # to (B, L, H, rows, columns)
        weights = [ops.mean(one, axis=1, keepdims=True) for one in attentions[blocks:]]
        found = [head_input.read(a, *weights) for a in attentions[:blocks]]
        return ops.stack(found, axis=1)

    attentions = attention_tensors(attending_layers(model))
    return reading_model(model, attentions, maps, "head_maps")


def _measure(inspection):
    shares = head_maps(inspection.model, inspection.shown[:1])
    return {"shares": shares, "times_even": shares * shares[0, 0, 0].size}


def _draw(arrays, inspection):
    return figures.head_maps(
        inspection.shown[0],
        arrays["times_even"][:, 0],
        inspection.cell,
        inspection.image_names[0],
        title=f"Attention of each head: {inspection.name}",
        label="Relative attention (1: uniform)",
    )


def _describe(arrays, inspection):
    layers, _, heads = arrays["shares"].shape[:3]
    peaks = arrays["times_even"][:, 0].max((-2, -1))
    layer, head = np.unravel_index(peaks.argmax(), peaks.shape)
    return (
        f"{layers} layers of {heads} heads, attention {inspection.reader}. "
        f"Head {head + 1} of layer {layer + 1} is the most concentrated: "
        f"{peaks.max():.3g} times the uniform attention on one patch."
    )


HEADS = FigureSpec(
    "Attention of each head",
    "The attention of each head of each layer, over the first image. The scale is "
    "logarithmic: dark is a tenth of the uniform attention or less, bright ten times "
    "the uniform attention or more. A head of one colour attends to all patches, a "
    "head with a few bright patches to those. Eq. 6 of the ViT paper.",
    measure=_measure,
    draw=_draw,
    describe=_describe,
    needs=(ATTENTION, EVERY_TOKEN),
)
