"""How far attention reaches: Figs. 7 and 11 of the ViT paper."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit import figures
from keras_vit.inspect.blocks import attention_tensors, blocks_of
from keras_vit.inspect.cell import cell_size
from keras_vit.inspect.figure_spec import ATTENTION, EVERY_TOKEN, FigureSpec
from keras_vit.inspect.images import Images, mean_over_images, model_and_batches
from keras_vit.inspect.inspector import inspector, reading_model
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
    return mean_over_images(
        batches,
        lambda batch: distances_of.predict_on_batch(batch).mean(0, dtype=np.float64),
    )


def _distance_model(model):
    grid, cell = model.get_layer("patch_encoder").grid, cell_size(model)

    def distances(attentions):  # to (B, L, H)
        return ops.stack([mean_distance(a, grid, cell) for a in attentions], axis=1)

    attentions = attention_tensors(blocks_of(model))
    return reading_model(model, attentions, distances, "attention_distance")


def _measure(inspection):
    grid, cell = inspection.grid, inspection.cell
    return {
        "pixels": attention_distance(inspection.model, inspection.images),
        "even": np.float32(distances_between(grid, cell).mean()),
    }


def _draw(arrays, inspection):
    title = f"Mean attention distance: {inspection.name}, {inspection.counted}"
    return figures.attention_distance(arrays["pixels"], float(arrays["even"]), title)


def _describe(arrays, inspection):
    means = arrays["pixels"].mean(1)
    return (
        f"The mean over {inspection.counted} is {means[0]:.3g} pixels for the heads "
        f"of the first layer and {means[-1]:.3g} for those of the last; it would be "
        f"{arrays['even']:.3g} for uniform attention."
    )


DISTANCE = FigureSpec(
    "Mean attention distance",
    "The mean distance in pixels between a patch and the patches that it attends to, "
    "weighed by attention: one point for each head. Low points are heads that attend "
    "locally, as a convolution does; high points are heads that attend across the "
    "image. Trained models have both in the first layers, and only high ones in the "
    "last. Section 4.5, Fig. 7 (right) and appendix D.7, Fig. 11 of the ViT paper.",
    measure=_measure,
    draw=_draw,
    describe=_describe,
    needs=(ATTENTION, EVERY_TOKEN),
)
