"""How far attention reaches: Figs. 7 and 11 of the ViT paper."""

import keras
import numpy as np
from keras import ops

from keras_vit.inspect.attention import attention_tensors, blocks_of, images_for
from keras_vit.inspect.batches import batches_of
from keras_vit.inspect.cell import cell_size
from keras_vit.inspect.inspector import inspector


def mean_distance(attention, grid, cell):
    """Gives the distance over which patches read, in the mean.

    For each patch that reads, the distances from its centre to those of all
    patches, weighed by its attention; and the mean of that over patches
    (appendix D.7). Tokens that are no patches have no place: they are left
    out, as readers and as what is read, and the rest of each row is scaled to
    a sum of 1.

    Args:
        attention: `(..., N, N)`, rows that sum to 1; the last rows x columns
            tokens are the patches by rows.
        grid: (rows, columns) of patches.
        cell: (height, width) in pixels from one patch to the next.

    Returns:
        `(...)` in pixels.

    Example:

    >>> float(mean_distance(np.eye(6)[None], grid=(2, 3), cell=(16, 16))[0])
    0.0
    """
    distances = distances_between(grid, cell)
    count = len(distances)
    a = ops.convert_to_tensor(attention)[..., -count:, -count:]
    far = ops.sum(a * ops.convert_to_tensor(distances, a.dtype), axis=-1)
    return ops.mean(far / ops.maximum(ops.sum(a, axis=-1), 1e-30), axis=-1)


def distances_between(grid, cell):
    """Gives the distances between the centres of patches, `(P, P)`, in pixels.

    Example:

    >>> distances_between(grid=(1, 3), cell=(16, 8)).tolist()
    [[0.0, 8.0, 16.0], [8.0, 0.0, 8.0], [16.0, 8.0, 0.0]]
    """
    rows, columns = np.indices(grid).reshape(2, -1)
    down = (rows[:, None] - rows) * cell[0]
    right = (columns[:, None] - columns) * cell[1]
    return np.hypot(down, right)


def attention_distance(model, images, batch_size=16):
    """Gives the mean attention distance of each head of each block, in pixels.

    In the mean over patches and images, of patches alone: see
    `mean_distance`. It needs the memory of one batch, however many images
    there are.

    L blocks, H heads.

    Args:
        model: a ViT of this package.
        images: `(B, height, width, 3)`, pixels in [0, 255], or an iterable of
            such batches, such as a generator or a `tf.data.Dataset`.
        batch_size: of what an array is cut into; an iterable's batches are
            taken as they are.

    Returns:
        `(L, H)` in pixels of the image the model sees.

    Raises:
        ValueError: if the model has no block, for images of another shape, or
            if there is none.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> attention_distance(model, np.zeros((2, 32, 48, 3))).shape
    (12, 3)
    """
    batches = batches_of(images_for(model, images), batch_size)
    looking = inspector(model, _distance_model)
    total, count = 0.0, 0
    for batch in batches:
        distances = looking.predict_on_batch(batch)  # B, L, H
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
