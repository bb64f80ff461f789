"""What a model's position embedding tells apart (Fig. 7, centre)."""

import numpy as np

from keras_vit.layers.sincos import sincos_2d


def position_similarity(model):
    """Gives the cosine similarity of each place's position vector with all others.

    Fig. 7, centre, of the ViT paper; the class token's vector is left out.

    Args:
        model: a ViT of this package.

    Returns:
        float32 `(rows, columns, rows, columns)`: [i, j] is a map over the grid
        of patches, 1 at (i, j) itself.

    Raises:
        ValueError: if places have no vectors: the model has no position
            embedding, or a relative one (see `relative_positions`).

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> position_similarity(model).shape
    (2, 3, 2, 3)
    """
    return cosines(position_vectors(model))


def cosines(vectors):
    """Gives the cosine similarity of all pairs of vectors on a grid.

    Args:
        vectors: `(rows, columns, D)`.

    Returns:
        float32 `(rows, columns, rows, columns)`; 0 where a vector is 0.

    Example:

    >>> cosines(np.array([[[1, 0], [1, 1]]]))[0, 0, 0]
    array([1.        , 0.70710677], dtype=float32)
    """
    vectors = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors = vectors / np.maximum(norms, np.finfo(float).tiny)
    return np.einsum("ijd,kld->ijkl", vectors, vectors).astype("float32")


def position_vectors(model):
    """The vector that each place of a model's grid adds: `(rows, columns, D)`."""
    encoders = [one for one in model.layers if one.name == "patch_encoder"]
    vectors = _vectors(encoders[0]) if encoders else None
    if vectors is None:
        kind = encoders[0].position_embedding if encoders else "no patches"
        raise ValueError(
            "Expected a model that adds a vector to each patch for its place. "
            f"Received: {model.name!r}, whose position embedding is {kind!r}"
        )
    return vectors


def _vectors(encoder):
    rows, columns = encoder.grid
    if encoder.position_embedding == "sincos_2d":
        return sincos_2d(rows, columns, encoder.hidden_dim).reshape(rows, columns, -1)
    if encoder.position_embedding == "learned":
        table = np.asarray(encoder.positions, np.float32)[0, -rows * columns :]
        return table.reshape(rows, columns, -1)
    return None
