"""What a model's position embedding tells apart (Fig. 7, centre)."""

import math

import keras
import numpy as np
from keras import ops

from keras_vit.inspect.attention import blocks_of, images_for
from keras_vit.inspect.batches import batches_of
from keras_vit.inspect.inspector import inspector
from keras_vit.layers.rotary_positions import rotary_angles


def position_similarity(model, layer=None):
    """Gives the cosine similarity of each place's position vector with all others.

    Fig. 7, centre, of the ViT paper; the class token's vector is left out.

    A vector is what is added to the patch of a place, see `position_vectors`.
    With rotary positions it is what queries and keys are turned by, a complex
    number of each frequency: the similarity is what is left of the product of
    two equal vectors at the two places, in the mean over frequencies.

    Args:
        model: a ViT of this package.
        layer: the name of the layer that adds the positions, where there are
            several, such as `"positions_03"`; the first by default.

    Returns:
        float32 `(rows, columns, rows, columns)`: [i, j] is a map over the grid
        of patches, 1 at (i, j) itself.

    Raises:
        ValueError: if places have no vectors: the model has no position
            embedding, or only offsets have (see `relative_positions`).

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> position_similarity(model).shape
    (2, 3, 2, 3)
    """
    return cosines(position_vectors(model, layer))


def cosines(vectors):
    """Gives the cosine similarity of all pairs of vectors on a grid.

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


def position_vectors(model, layer=None):
    """Gives the vector of each place of a model's grid.

    Args:
        model: a ViT of this package.
        layer: as of `position_similarity`.

    Returns:
        `(rows, columns, D)`; of rotary positions `(rows, columns, d)`, the
        cosines and the sines of the angles.

    Raises:
        ValueError: as `position_similarity`.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> position_vectors(model).shape
    (2, 3, 192)
    """
    found = dict(_all_vectors(model))
    if not found or layer not in {None, *found}:
        expected = (
            f"layer to be one of {', '.join(found)}"
            if found
            else (
                "a model in which each place has a vector: "
                "with positions that are added, or rotary ones"
            )
        )
        received = repr(layer) if found else f"{model.name!r}, without"
        raise ValueError(f"Expected {expected}. Received: {received}")
    return next(iter(found.values())) if layer is None else found[layer]


def _all_vectors(model):
    """The names of layers that know places, and the vectors of these."""
    for layer in model.layers:
        if hasattr(layer, "position_vectors"):
            vectors = layer.position_vectors()
            if vectors is not None:
                yield layer.name, vectors
        elif getattr(layer, "position_embedding", None) == "rope_2d":
            angles = rotary_angles(*layer.grid, layer.attention.head_dim)
            turned = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
            yield layer.name, turned.reshape(*layer.grid, -1)


def relative_positions(model, images, batch_size=64):
    """Gives the mean bias of attention for each offset between two patches.

    Relative positions (appendix D.4 of the ViT paper) have no vector a place
    but a key `r` an offset, and add `q . r` to the logits of attention. What
    they do depends on the queries, so it is told in the mean over those of
    all patches of all images.

    Args:
        model: a ViT of this package with `position_embedding="relative"`.
        images: `(N, height, width, 3)`, pixels in [0, 255], or batches of
            them to iterate over.
        batch_size: images at once, of an array.

    Returns:
        float32 `(L, H, 2 N - 1)` for L blocks, H heads and N patches: the
        offsets from -(N - 1) to N - 1 of a query's patch from a key's,
        patches being counted row by row.

    Raises:
        ValueError: if the model has no relative positions, or there are no
            images.

    Example:

    >>> model = keras_vit.ViT(image_size=32, num_layers=2, num_heads=1, hidden_dim=8,
    ...                       position_embedding="relative")
    >>> relative_positions(model, np.zeros((1, 32, 32, 3))).shape
    (2, 1, 7)
    """
    if any(block.attention.relative is None for block in blocks_of(model)):
        raise ValueError(
            "Expected a model with relative positions. "
            f"Received: {model.name!r}, without"
        )
    biases = inspector(model, _bias_model)
    total, count = 0.0, 0
    for batch in batches_of(images_for(model, images), batch_size):
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
        q = attention.query(block.norm1(z)[:, -patches:])
        q = ops.reshape(q, (-1, patches, attention.num_heads, attention.head_dim))
        if attention.qk_norm:
            q = attention.query_norm(q)
        q = ops.mean(ops.cast(q, "float32"), axis=(0, 1))  # H, d
        q = q / math.sqrt(attention.head_dim)
        r = ops.cast(attention.relative.offsets, "float32")  # of N - 1 first
        return ops.flip(ops.matmul(q, ops.transpose(r)), axis=-1)
