"""The position embeddings of a model, and how similar they are (Fig. 7, centre)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.images import Images, model_and_batches
from keras_vit.inspect.inspector import inspector
from keras_vit.inspect.sources import inspected_model
from keras_vit.layers import TransformerBlock
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend


def position_similarity(model: ModelSource, layer: str | None = None) -> np.ndarray:
    """Return the cosine similarity of each place's position embedding with all others.

    Fig. 7, centre, of the ViT paper; the class token's embedding is left out.

    The embedding of a place is the vector that is added to its patch, see
    `position_vectors`. A rotary position embedding rotates queries and keys, by
    one angle for each frequency: the similarity is the mean over frequencies of
    the cosine of the difference of the angles.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        layer: the name of the layer that adds the positions, where there are
            several, such as `"positions_03"`; the first by default.

    Returns:
        float32 `(rows, columns, rows, columns)`: [i, j] is a map over the grid
        of patches, 1 at (i, j) itself.

    Raises:
        ValueError: if the model has no position embedding, or a relative one
            (see `relative_positions` and `relative_biases`), which has no
            vector for a place.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> position_similarity(model).shape
    (2, 3, 2, 3)
    """
    return cosines(position_vectors(model, layer))


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Return the cosine similarity of all pairs of vectors on a grid.

    Args:
        vectors: `(rows, columns, D)`.

    Returns:
        float32 `(rows, columns, rows, columns)`; 0 where a vector is 0.

    Example:

    >>> cosines(np.array([[[1.0, 0.0], [3.0, 4.0]]]))[0, 0, 0]
    array([1. , 0.6], dtype=float32)
    """
    vectors = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors = vectors / np.maximum(norms, np.finfo(float).tiny)
    return np.einsum("ijd,kld->ijkl", vectors, vectors).astype("float32")


def position_vectors(model: ModelSource, layer: str | None = None) -> np.ndarray:
    """Return the position embedding of each place of a model's grid.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        layer: as `position_similarity` takes it.

    Returns:
        `(rows, columns, D)`; of a rotary position embedding `(rows, columns, d)`,
        the cosines and the sines of the angles, those of all heads where each
        has its own.

    Raises:
        ValueError: as `position_similarity`.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> position_vectors(model).shape
    (2, 3, 192)
    """
    keras_model = inspected_model(model)
    found = dict(_all_vectors(keras_model))
    if not found or layer not in {None, *found}:
        expected = (
            f"layer to be one of {', '.join(found)}"
            if found
            else (
                "a model with a position embedding for each place: one that is added "
                "to the patches, or a rotary one"
            )
        )
        received = f"layer={layer!r}" if found else f"{keras_model.name!r}, without one"
        raise ValueError(f"Expected {expected}. Received: {received}")
    return next(iter(found.values())) if layer is None else found[layer]


def _all_vectors(model: keras.Model) -> Iterator[tuple[str, np.ndarray]]:
    """The names of layers with an embedding of places, and these vectors."""
    layers: Any = model.layers
    for layer in layers:
        if hasattr(layer, "position_vectors"):
            vectors = layer.position_vectors()
            if vectors is not None:
                yield layer.name, vectors
            continue
        is_block = isinstance(layer, TransformerBlock)
        if is_block and layer.attention.rotary is not None:
            yield layer.name, layer.attention.rotary.position_vectors()


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
    total, count = np.zeros(()), 0
    for batch in batches:
        total = total + len(batch) * biases.predict_on_batch(batch).astype("float64")
        count += len(batch)
    if not count:
        raise ValueError("Expected at least one image. Received: none")
    return (total / count).astype("float32")


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
