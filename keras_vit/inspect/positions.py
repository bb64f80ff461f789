"""The position embeddings of a model, and how similar they are (Fig. 7, centre)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_vit import figures
from keras_vit.inspect.figure_spec import ATTENTION, FigureSpec, need_of
from keras_vit.inspect.sources import inspected_model
from keras_vit.layers import TransformerBlock
from keras_vit.model_source import ModelSource


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


def _describe(arrays, inspection):
    cosine = arrays["cosine"]
    rows, columns = cosine.shape[:2]
    pairs = (
        np.einsum("ijij->ij", cosine[1:, :, :-1]),
        np.einsum("ijij->ij", cosine[:, 1:, :, :-1]),
    )
    beside = np.concatenate([one.ravel() for one in pairs])
    text = f"{rows} x {columns} patches."
    if beside.size:
        table = cosine.reshape(rows * columns, -1)
        apart = table[~np.eye(len(table), dtype=bool)]
        near, far = (round(float(one.mean()), 2) for one in (beside, apart))
        text += f" The mean similarity is {near + 0.0} for adjacent patches and "
        text += f"{far + 0.0} for all pairs of patches."
    return text


POSITIONS = FigureSpec(
    "Similarity of position embeddings",
    "For each patch, a map of the cosine similarity of its position embedding with the "
    "position embeddings of all patches. If the model has learned where patches lie, a "
    "map is bright around its own patch, often along its row and column. Section 4.5, "
    "Fig. 7 (centre) and appendix D.4, Fig. 10 of the ViT paper.",
    measure=lambda inspection: {"cosine": position_similarity(inspection.model)},
    draw=lambda arrays, inspection: figures.position_similarity(
        arrays["cosine"], f"Similarity of position embeddings: {inspection.name}"
    ),
    describe=_describe,
    needs=(
        ATTENTION,
        need_of(position_vectors, "the model has no position embedding for each place"),
    ),
)
