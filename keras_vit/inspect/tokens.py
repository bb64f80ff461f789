"""Norms of tokens: the artefacts that registers remove."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np

from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.images import Images, model_and_batches
from keras_vit.inspect.inspector import inspector
from keras_vit.model_source import ModelSource

ops: Any = keras.ops  # whose inferred types are those of one backend


def token_norms(
    model: ModelSource,
    images: Images,
    of: Literal["patches", "others"] = "patches",
    batch_size: int = 16,
) -> np.ndarray:
    """Return the Euclidean norm of each token before and after each block.

    Large models store global information in a few patches of plain background,
    whose tokens have much larger norms than others after the last blocks; with
    registers they do not: Darcet et al. (arXiv:2309.16588), section 2.1.

    L blocks, B images, T tokens that are no patches. Memory is that of one
    batch, and that of the norms.

    Args:
        model: a ViT of this package, or the path of a saved one: a run's folder
            or a `.keras` file.
        images: `(B, height, width, 3)`, pixels in [0, 255]; an iterable of such
            batches; image files; a data set, of which 128 images are drawn; or
            whatever else `read_images` takes.
        of: `"patches"`, or `"others"`: class token, distillation token and
            registers, where the model has them.
        batch_size: images at a time; the batches of an iterable keep their size.

    Returns:
        `(L + 1, B, rows, columns)`, of the others `(L + 1, B, T)`: of the input
        of the first block, and of the output of each block, before the final
        norm.

    Raises:
        ValueError: if the model has no block or merges tokens, for other tokens,
            for images that `read_images` refuses, or if there is none.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> token_norms(model, np.zeros((2, 32, 48, 3))).shape
    (13, 2, 2, 3)
    >>> token_norms(model, np.zeros((2, 32, 48, 3)), of="others").shape
    (13, 2, 1)
    """
    if of not in ("patches", "others"):
        raise ValueError(f"of must be patches or others. Received: of={of!r}")
    keras_model, batches = model_and_batches(model, images, batch_size)
    norms_of = inspector(keras_model, _norms_model)
    found = [norms_of.predict_on_batch(batch) for batch in batches]
    if not found:
        raise ValueError("Expected at least one image. Received: none")
    norms = np.moveaxis(np.concatenate(found), 1, 0)
    encoder: Any = keras_model.get_layer("patch_encoder")
    rows, columns = encoder.grid
    others = norms.shape[-1] - rows * columns
    if of == "others":
        return norms[..., :others]
    return norms[..., others:].reshape(*norms.shape[:2], rows, columns)


def _norms_model(model):
    blocks = blocks_of(model)
    states = [blocks[0].input, *(block.output for block in blocks)]
    return keras.Model(model.input, _Norms(name="token_norms")(states))


class _Norms(keras.layers.Layer):
    """L + 1 states `(B, N, D)` to the norms of their tokens, `(B, L + 1, N)`."""

    def __init__(self, name):
        super().__init__(name=name, dtype="float32")
        self.built = True

    def call(self, states):
        return ops.stack([ops.norm(z, axis=-1) for z in states], axis=1)
