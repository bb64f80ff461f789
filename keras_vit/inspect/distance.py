"""How far attention reaches: Figs. 7 and 11 of the ViT paper."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit.inspect.blocks import attention_tensors, blocks_of
from keras_vit.inspect.cell import cell_size
from keras_vit.inspect.images import Images, model_and_batches
from keras_vit.inspect.inspector import inspector
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend


def mean_distance(
    attention: Any, grid: tuple[int, int], cell: tuple[float, float]
) -> Any:
    """Return the mean distance between patches and what they read.

    For each patch that reads, the distances from its centre to those of all
    patches, weighed by its attention; and the mean of that over patches
    (appendix D.7). Class token, distillation token and registers have no place:
    their rows and columns are left out, and each row is scaled to a sum of 1.

    Args:
        attention: `(..., N, N)`, rows that sum to 1; the last rows x columns
            tokens are the patches by rows.
        grid: (rows, columns) of patches.
        cell: (height, width) in pixels from one patch to the next.

    Returns:
        `(...)` in pixels, a tensor of Keras's backend.

    Example:

    >>> float(mean_distance(np.eye(6)[None], grid=(2, 3), cell=(16, 16))[0])
    0.0
    """
    distances = distances_between(grid, cell)
    count = len(distances)
    a = ops.convert_to_tensor(attention)[..., -count:, -count:]
    far = ops.sum(a * ops.convert_to_tensor(distances, a.dtype), axis=-1)
    return ops.mean(far / ops.maximum(ops.sum(a, axis=-1), 1e-30), axis=-1)


def distances_between(grid: tuple[int, int], cell: tuple[float, float]) -> np.ndarray:
    """Return the distances between the centres of patches, `(P, P)`, in pixels.

    Example:

    >>> distances_between(grid=(1, 3), cell=(16, 8)).tolist()
    [[0.0, 8.0, 16.0], [8.0, 0.0, 8.0], [16.0, 8.0, 0.0]]
    """
    rows, columns = np.indices(grid).reshape(2, -1)
    down = (rows[:, None] - rows) * cell[0]
    right = (columns[:, None] - columns) * cell[1]
    return np.hypot(down, right)


def attention_distance(
    model: ModelSource, images: Images, batch_size: int = 16
) -> np.ndarray:
    """Return the mean attention distance of each head of each block, in pixels.

    The mean is over patches and images; see `mean_distance`. Memory is that of
    one batch, however many images there are.

    L blocks, H heads.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; an iterable of such
            batches, such as a generator or a `tf.data.Dataset`; image files; a
            data set, of which 128 images are drawn; or whatever else
            `read_images` takes.
        batch_size: images at a time; the batches of an iterable keep their size.

    Returns:
        `(L, H)` in pixels of the image that the model sees.

    Raises:
        ValueError: if the model has no block or merges tokens, for images that
            `read_images` refuses, or if there is none.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> attention_distance(model, np.zeros((2, 32, 48, 3))).shape
    (12, 3)
    """
    keras_model, batches = model_and_batches(model, images, batch_size)
    distances_of = inspector(keras_model, _distance_model)
    total, count = np.zeros(()), 0
    for batch in batches:
        distances = distances_of.predict_on_batch(batch)  # B, L, H
        total = total + distances.sum(axis=0, dtype=np.float64)
        count += len(distances)
    if not count:
        raise ValueError("Expected at least one image. Received: none")
    return total / count


def _distance_model(model):
    grid = model.get_layer("patch_encoder").grid
    measure = _Distance(grid, cell_size(model), name="attention_distance")
    return keras.Model(model.input, measure(attention_tensors(blocks_of(model))))


class _Distance(keras.layers.Layer):
    """Attentions to the distance of each image, block and head, `(B, L, H)`."""

    def __init__(self, grid, cell, name):
        super().__init__(name=name, dtype="float32")
        self.grid, self.cell = grid, cell
        self.built = True

    def call(self, attentions):
        distances = [mean_distance(a, self.grid, self.cell) for a in attentions]
        return ops.stack(distances, axis=1)
