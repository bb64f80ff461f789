"""The biases of attention for offsets between patches."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from keras_vit import figures
from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.figure_spec import (
    ATTENTION,
    EVERY_TOKEN,
    FigureSpec,
    Need,
    need_of,
)
from keras_vit.inspect.images import Images, mean_over_images, model_and_batches
from keras_vit.inspect.inspector import inspector
from keras_vit.inspect.sources import inspected_model
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend


def relative_biases(model: ModelSource) -> np.ndarray:
    """Return the bias of attention for each offset between two patches.

    Relative biases (BEiT, arXiv:2106.08254; Swin V2, arXiv:2111.09883) do not
    depend on images, unlike `relative_positions`.

    L blocks, H heads, a grid of h x w patches.

    Args:
        model: a ViT of this package with relative biases, or the path of a
            saved one: a run's folder or a `.keras` file.

    Returns:
        float32 `(L, H, 2 h - 1, 2 w - 1)`: of the offsets (y_q - y_k,
        x_q - x_k) of a query's patch from a key's, the most negative first.

    Raises:
        ValueError: if a block has no relative biases.

    Example:

    >>> model = keras_vit.ViT(image_size=(32, 48), num_layers=2, num_heads=1,
    ...                       hidden_dim=8, block={"relative_bias": {}})
    >>> relative_biases(model).shape
    (2, 1, 3, 5)
    """
    return biases_of(inspected_model(model))


def biases_of(model: keras.Model) -> np.ndarray:
    """Return what `relative_biases` returns, of a Keras model."""
    layers: list[Any] = [one.attention.relative_bias for one in blocks_of(model)]
    if any(layer is None for layer in layers):
        raise ValueError(
            "Expected a model with relative biases in every block, built with "
            f"block={{'relative_bias': ...}}. Received: {model.name!r}, without them"
        )
    return np.stack([layer.by_offset() for layer in layers])


def relative_positions(
    model: ModelSource, images: Images, batch_size: int = 64
) -> np.ndarray:
    """Return the mean bias of attention for each offset between two patches.

    A relative position embedding (appendix D.4 of the ViT paper) has no vector
    for a place but a key `r` for an offset, and adds `q . r` to the logits of
    attention. That depends on the queries, so the mean over the queries of all
    patches of all images is returned.

    Args:
        model: a ViT of this package with `position_embedding="relative"`, or the
            path of a saved one: a run's folder or a `.keras` file.
        images: `(N, height, width, 3)`, pixels in [0, 255]; an iterable of such
            batches; image files; a data set, of which 128 images are drawn; or
            whatever else `read_images` takes.
        batch_size: images at a time; the batches of an iterable keep their size.

    Returns:
        float32 `(L, H, 2 N - 1)` for L blocks, H heads and N patches: the
        offsets from -(N - 1) to N - 1 of a query's patch from a key's,
        patches being counted row by row.

    Raises:
        ValueError: if the model has no relative positions, for images that
            `read_images` refuses, or if there is none.

    Example:

    >>> model = keras_vit.ViT(image_size=32, num_layers=2, num_heads=1, hidden_dim=8,
    ...                       position_embedding="relative")
    >>> relative_positions(model, np.zeros((1, 32, 32, 3))).shape
    (2, 1, 7)
    """
    keras_model, batches = model_and_batches(model, images, batch_size)
    if any(block.attention.relative is None for block in blocks_of(keras_model)):
        raise ValueError(
            "Expected a model with relative positions, built with "
            'position_embedding="relative". '
            f"Received: {keras_model.name!r}, which has none"
        )
    biases = inspector(keras_model, _bias_model)
    return mean_over_images(batches, biases.predict_on_batch).astype("float32")


def _bias_model(model):
    blocks = blocks_of(model)
    inputs = [block.input for block in blocks]
    return keras.Model(model.input, _OffsetBiases(blocks)(inputs))


class _OffsetBiases(keras.layers.Layer):
    """`(L, H, 2 N - 1)` of the inputs of L blocks, in the mean over a batch."""

    def __init__(self, blocks):
        super().__init__(name="offset_biases", dtype="float32")
        self.blocks = blocks
        self.built = True

    def call(self, inputs):
        pairs = zip(self.blocks, inputs, strict=True)
        return ops.stack([self._biases(block, z) for block, z in pairs])

    def _biases(self, block, z):
        attention, patches = block.attention, math.prod(block.grid)
        q = attention.query(block.attention_input(z)[:, -patches:])
        q = ops.reshape(q, (-1, patches, attention.num_heads, attention.head_dim))
        if attention.qk_norm:
            q = attention.query_norm(q)
        q = ops.mean(ops.cast(q, "float32"), axis=(0, 1))  # H, d
        q = q / math.sqrt(attention.head_dim)
        r = ops.cast(attention.relative.offsets, "float32")  # of N - 1 first
        return ops.flip(ops.matmul(q, ops.transpose(r)), axis=-1)


def _describe_offsets(arrays, inspection):
    bias = arrays["bias"]
    layer, head, offset = np.unravel_index(np.abs(bias).argmax(), bias.shape)
    return (
        f"The largest bias is {bias[layer, head, offset]:.3g}, in head {head + 1} of "
        f"layer {layer + 1}, for an offset of {offset - bias.shape[-1] // 2} patches."
    )


OFFSETS = FigureSpec(
    "Relative position embedding",
    "The bias that each head adds to its attention logits for the offset between two "
    "patches, counted row by row; the mean over the queries of all images. A bright "
    "band at 0 is a head that attends to near patches; bands one row apart are a head "
    "that attends to its column. Appendix D.4 of the ViT paper.",
    measure=lambda inspection: {
        "bias": relative_positions(inspection.model, inspection.images)
    },
    draw=lambda arrays, inspection: figures.relative_positions(
        arrays["bias"], f"Relative position embedding: {inspection.name}"
    ),
    describe=_describe_offsets,
    needs=(
        ATTENTION,
        Need(
            lambda inspection: inspection.blocks[0].attention.relative is not None,
            "the model has no relative position embedding",
        ),
    ),
)


def _describe_biases(arrays, inspection):
    bias = arrays["bias"]
    place = np.unravel_index(np.abs(bias).argmax(), bias.shape)
    layer, head, row, column = place
    down, right = row - bias.shape[2] // 2, column - bias.shape[3] // 2
    return (
        f"The largest bias is {bias[place]:.3g}, in head {head + 1} of layer "
        f"{layer + 1}, for a query {down} rows below and {right} columns right of the "
        "key."
    )


BIASES = FigureSpec(
    "Relative biases",
    "The bias that each head adds to its attention logits for the offset of a query's "
    "patch from a key's, a map for each head: an offset of 0 is in the middle. A "
    "bright middle is a head that attends to near patches, a bright line one that "
    "attends to its row or its column. BEiT, arXiv:2106.08254, section 2.2.",
    measure=lambda inspection: {"bias": relative_biases(inspection.model)},
    draw=lambda arrays, inspection: figures.relative_biases(
        arrays["bias"], f"Relative biases: {inspection.name}"
    ),
    describe=_describe_biases,
    needs=(
        ATTENTION,
        EVERY_TOKEN,
        need_of(biases_of, "the model has no relative biases in every block"),
    ),
)
