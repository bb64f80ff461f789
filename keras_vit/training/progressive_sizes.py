"""Training whose images grow: the first steps of a run on smaller ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow

from keras_vit.layers.patch_encoder import PatchEncoder
from keras_vit.layers.patches import pair
from keras_vit.weights.positions import METHODS, TABLES, resize_weight
from keras_vit.weights.rebuild import resize

tf: Any = tensorflow  # whose stubs lack what is used here


def size_of_step(step: int, total_steps: int, sizes: Sequence[int]) -> int | None:
    """Return the side of a step's images; `None`: the model's own.

    The run is cut into equal parts, one for each of the sizes and a last one of the
    model's own.

    Args:
        step: from 0.
        total_steps: of the run.
        sizes: pixels, in turn.

    Example:

    >>> [size_of_step(step, 6, (16, 24)) for step in range(6)]
    [16, 16, 24, 24, None, None]
    """
    part = step * (len(sizes) + 1) // total_steps
    return sizes[part] if part < len(sizes) else None


def smaller_models(
    trained: keras.Model, model: keras.Model, sizes: Sequence[int]
) -> dict[int, SmallerModel]:
    """Return what computes on smaller images with a model's weights, by size.

    Args:
        trained: what is trained.
        model: that the run trains; another one where its task wraps it.
        sizes: pixels; none: nothing.

    Raises:
        ValueError: for a size that is not smaller, or a model that is trained in
            another form than it was built.
    """
    if sizes and trained is not model:
        raise ValueError(
            "progressive_sizes goes with tasks that train the model itself, as from "
            f"labels. Received: progressive_sizes={tuple(sizes)} and a task that wraps "
            f"the model in {trained.name!r}. Set progressive_sizes to none"
        )
    shape: Any = model.input_shape
    if sizes and shape[1] != shape[2]:
        raise ValueError(
            "progressive_sizes are sides of square images. Received: "
            f"progressive_sizes={tuple(sizes)} and a model of images of {shape[1]} x "
            f"{shape[2]}. Set progressive_sizes to none"
        )
    return {size: SmallerModel(trained, size) for size in dict.fromkeys(sizes)}


class SmallerModel:
    """Computes on smaller images what a model does, with the weights of that model.

    Progressive resizing, as EfficientNetV2 trains (arXiv:2104.00298): early steps see
    smaller images, of fewer tokens, and cost as much less. Images are resized with
    antialiasing. Positions are interpolated from those of the model, as `resize`
    does, and their gradient goes back the same way; all other weights are the
    model's own.

    Args:
        model: of images of a known size, made by a function of this package or
            another functional Keras model.
        image_size: pixels, an integer or (height, width), smaller than the model's.

    Raises:
        ValueError: for a size that is not smaller, below a patch, or a model that
            cannot be resized.

    Example:

    >>> from keras_vit import ViT
    >>> model = ViT(10, image_size=32, patch_size=4, num_layers=2, num_heads=2,
    ...             hidden_dim=64, mlp_dim=128)
    >>> SmallerModel(model, 16)(tf.zeros((8, 32, 32, 3)), training=True).shape
    TensorShape([8, 10])
    """

    def __init__(self, model: keras.Model, image_size: int | Sequence[int]) -> None:
        shape: Any = model.input_shape
        old, new = shape[1:3], pair(image_size, "image_size")
        if not (new[0] < old[0] and new[1] < old[1]):
            raise ValueError(
                f"A size in progressive_sizes must be below that of the model's "
                f"images, {old[0]} x {old[1]}. Received: {image_size}"
            )
        smaller = resize(model, new)
        self.output_shape = model.output_shape
        self._smaller = smaller
        self._to_rows, self._to_columns = (
            tf.constant(METHODS["bilinear_antialias"](*sides), "float32")
            for sides in zip(old, new, strict=True)
        )
        # By the smaller model's variable: the model's own, and what takes it there.
        self._large, self._matrices = {}, {}
        for one, large in zip(smaller.variables, model.variables, strict=True):
            self._large[id(one)] = large
            self._matrices[id(one)] = _interpolation(large, model, smaller)

    def __call__(self, images: Any, training: bool | None = None) -> Any:
        """Return the outputs for images of the model's own size, `(B, H, W, 3)`.

        What the model's layers count, as batch normalisation does, they go on counting.
        """
        images = tf.einsum("rh,bhwc->brwc", self._to_rows, tf.cast(images, "float32"))
        images = tf.einsum("sw,brwc->brsc", self._to_columns, images)
        trainable, others = (
            [self._value(id(small)) for small in variables]
            for variables in (
                self._smaller.trainable_variables,
                self._smaller.non_trainable_variables,
            )
        )
        outputs, updated = self._smaller.stateless_call(
            trainable, others, images, training=training
        )
        for small, before, value in zip(
            self._smaller.non_trainable_variables, others, updated, strict=True
        ):
            if value is not before:
                self._large[id(small)].assign(value)
        return outputs

    def _value(self, small: int) -> Any:
        value, matrix = self._large[small].value, self._matrices[small]
        return value if matrix is None else matrix @ value


def _interpolation(
    weight: keras.Variable, model: keras.Model, smaller: keras.Model
) -> Any:
    """Return the matrix from a table of positions to the smaller one, `(M, N)`.

    Interpolation is linear, so it is what becomes of the identity. `None` for other
    weights.
    """
    if weight.path.rpartition("/")[2] not in TABLES:
        return None
    old, new = (_encoder(one) for one in (model, smaller))
    *outer, count, _ = weight.shape
    identity = np.eye(count, dtype="float32").reshape(*outer, count, count)
    rule = old.position_interpolation or "bilinear"
    matrix = resize_weight(weight.path, identity, old.grid, new.grid, rule)
    return tf.constant(matrix.reshape(-1, count))


def _encoder(model: keras.Model) -> PatchEncoder:
    return next(layer for layer in model.layers if isinstance(layer, PatchEncoder))
