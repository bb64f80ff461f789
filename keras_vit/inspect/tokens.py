"""Norms of tokens: the artefacts that registers remove."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np

from keras_vit import figures
from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.figure_spec import (
    ATTENTION,
    EVERY_TOKEN,
    FigureSpec,
    over_pictures,
)
from keras_vit.inspect.images import Images, model_and_batches
from keras_vit.inspect.inspector import inspector, reading_model
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
    norms = np.moveaxis(np.concatenate(found), 1, 0)
    encoder: Any = keras_model.get_layer("patch_encoder")
    rows, columns = encoder.grid
    others = norms.shape[-1] - rows * columns
    if of == "others":
        return norms[..., :others]
    return norms[..., others:].reshape(*norms.shape[:2], rows, columns)


def _norms_model(model):
    blocks = blocks_of(model)
    states = [blocks[0].input, *(block.output for block in blocks)]  # (B, N, D) each
    return reading_model(model, states, _norms, "token_norms")


def _norms(states):  # to (B, L + 1, N)
    return ops.stack([ops.norm(z, axis=-1) for z in states], axis=1)


def _describe(arrays, inspection):
    last = arrays["norms"][-1]
    median = np.median(last)
    return (
        f"After the last layer, the largest norm of {last.size:,} tokens is "
        f"{last.max() / max(median, 1e-12):.3g} times the median."
    )


NORMS = FigureSpec(
    "Norms of patch tokens",
    "The Euclidean norm of the patches' tokens, from layer to layer and after the last "
    "one. A second mode far on the right is the artefact that register tokens remove. "
    "Darcet et al. (arXiv:2309.16588).",
    measure=lambda inspection: {
        "norms": token_norms(inspection.model, inspection.images)
    },
    draw=lambda arrays, inspection: figures.token_norms(
        arrays["norms"],
        f"Norms of patch tokens: {inspection.name}, {inspection.counted}",
    ),
    describe=_describe,
    needs=(ATTENTION, EVERY_TOKEN),
)


def _draw_maps(arrays, inspection):
    title = "Norms of patch tokens after the last layer"
    norms = arrays["norms"]
    limits = float(norms.min()), float(norms.max())
    return over_pictures(inspection, norms, title, "Euclidean norm", limits=limits)


def _describe_maps(arrays, inspection):
    norms = arrays["norms"]
    return (
        f"From {norms.min():.3g} to {norms.max():.3g}, median {np.median(norms):.3g}."
    )


NORM_MAPS = FigureSpec(
    "Maps of token norms",
    "The Euclidean norm of each patch's token after the last layer. Single bright "
    "patches on plain background are artefacts of large models, which store global "
    "information there; register tokens remove them. Darcet et al. (arXiv:2309.16588).",
    measure=lambda inspection: {
        "norms": token_norms(inspection.model, inspection.shown)[-1]
    },
    draw=_draw_maps,
    describe=_describe_maps,
    needs=(ATTENTION, EVERY_TOKEN),
)
