"""How similar the layers of two models represent images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_vit import figures
from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.figure_spec import ATTENTION, EVERY_TOKEN, FigureSpec, Need
from keras_vit.inspect.images import Images, model_and_batches
from keras_vit.inspect.inspector import inspector, reading_model
from keras_vit.inspect.sources import inspected_model
from keras_vit.model_source import ModelSource
from keras_vit.verbosity import progress_bar

ops: Any = keras.ops  # whose inferred types are those of one backend

LEAST = 4  # images of a batch; the estimate divides by n - 3


def cka(x: Any, y: Any) -> float:
    """Return the linear centred kernel alignment of two sets of features.

    Kornblith et al. (arXiv:1905.00414), section 3: with columns centred,
    `|Y'X|^2 / (|X'X| |Y'Y|)` in Frobenius norms. It does not change when
    features are rotated, or scaled as a whole. Of few images with many
    features it is near 1 whatever they are; `cka_layers` is free of that.

    Args:
        x: features of n images, `(n, ...)`.
        y: other features of these images, `(n, ...)`.

    Returns:
        A number from 0 to 1; 0 where features are the same for all images.

    Raises:
        ValueError: if the counts of images differ.

    Example:

    >>> x = np.array([[1.0, 2.0], [0.0, 1.0], [2.0, 0.0]])
    >>> round(cka(x, 3 * x[:, ::-1]), 6)
    1.0
    """
    if len(x) != len(y):
        raise ValueError(
            "Expected features of the same images. "
            f"Received: of {len(x)} images and of {len(y)}"
        )
    gram_x, gram_y = (np.asarray(_gram(np.asarray(one, np.float64))) for one in (x, y))
    norms = np.linalg.norm(gram_x) * np.linalg.norm(gram_y)
    return float(np.sum(gram_x * gram_y) / norms) if norms else 0.0


def unbiased_hsic(gram_x: np.ndarray, gram_y: np.ndarray) -> np.ndarray:
    """Return the unbiased estimate of HSIC from the Gram matrices of n images.

    HSIC_1 of Nguyen et al. (arXiv:2010.15327), Eq. 3.

    Args:
        gram_x: `(..., n, n)`, symmetric; the diagonal does not count.
        gram_y: as `gram_x`.

    Returns:
        `(...)`: 0 in expectation for features that are independent.

    Raises:
        ValueError: for fewer than four images.

    Example:

    >>> float(unbiased_hsic(np.ones((4, 4)), np.ones((4, 4))))
    0.0
    """
    n = gram_x.shape[-1]
    if n < LEAST:
        raise ValueError(f"Expected at least {LEAST} images. Received: {n}")
    k, m = (np.asarray(one, np.float64) * (1 - np.eye(n)) for one in (gram_x, gram_y))
    trace = np.einsum("...ij,...ji->...", k, m)
    sums_k, sums_m = k.sum(axis=-1), m.sum(axis=-1)
    apart = sums_k.sum(axis=-1) * sums_m.sum(axis=-1) / ((n - 1) * (n - 2))
    crossed = np.sum(sums_k * sums_m, axis=-1) * 2 / (n - 2)
    return (trace + apart - crossed) / (n * (n - 3))


def cka_layers(
    model_a: ModelSource, model_b: ModelSource, images: Images, batch_size: int = 64
) -> np.ndarray:
    """Return the linear CKA of each block of one model with each of another.

    Minibatch CKA, Eq. 2 of Nguyen et al. (arXiv:2010.15327): the quotient of
    the means over batches of HSIC_1. The output of a block, all tokens of an
    image as one vector, is compared. Memory is that of one batch.

    Args:
        model_a: a ViT of this package, of La blocks, or the path of a saved one:
            a run's folder or a `.keras` file.
        model_b: another, of Lb blocks, or `model_a` again.
        images: `(N, height, width, 3)`, pixels in [0, 255] of the size that
            both models take; an iterable of such batches, of which those of
            fewer than four images are left out; image files; a data set, of
            which 128 images are drawn; or whatever else `read_images` takes.
            Files are resized by the preprocessing of `model_a`.
        batch_size: the most images at a time; batches are of nearly one size,
            and those of an iterable keep theirs.

    Returns:
        float32 `(La, Lb)`, first blocks first. 1: equal up to rotation and
        scale; 0: independent. An estimate may lie outside [0, 1].

    Raises:
        ValueError: if a model has no block or merges tokens, if the models take
            images of different sizes, for images that `read_images` refuses, or
            if no batch has four images.

    Example:

    >>> model = keras_vit.ViT(image_size=32, num_layers=2, num_heads=1, hidden_dim=8)
    >>> images = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3))
    >>> similarity = cka_layers(model, model, images)
    >>> similarity.shape, similarity[1, 1].round(4)
    ((2, 2), np.float32(1.0))
    """
    a_again = model_b is model_a
    first, batches = model_and_batches(model_a, images, batch_size)
    second = first if a_again else inspected_model(model_b)
    grams_a, grams_b = (inspector(one, _gram_model) for one in (first, second))
    check_sizes(first, second)
    sums, count = [np.zeros(()) for _ in range(3)], 0
    for batch in progress_bar(
        batches, desc="Comparing", unit=" batches", delay=5, leave=False
    ):
        if len(batch) < LEAST:
            continue
        a = grams_a.predict_on_batch(batch)
        b = a if a_again else grams_b.predict_on_batch(batch)
        pairs = (a[:, None], b[None]), (a, a), (b, b)
        for place, pair in enumerate(pairs):
            sums[place] = sums[place] + len(batch) * unbiased_hsic(*pair)
        count += len(batch)
    if not count:
        raise ValueError(f"Expected a batch of at least {LEAST} images. Received: none")
    between, within_a, within_b = sums
    norms = np.sqrt(np.maximum(np.outer(within_a, within_b), np.finfo(float).tiny))
    return (between / norms).astype("float32")


def check_sizes(model: keras.Model, other: keras.Model) -> None:
    """Refuse two models that take images of different sizes.

    Raises:
        ValueError: naming both sizes, and what makes them equal.
    """
    if other.input_shape != model.input_shape:
        raise ValueError(
            "Expected two models that take images of one size; keras_vit.resize "
            "changes the size of a model. "
            f"Received: {model.input_shape[1:3]} and {other.input_shape[1:3]}"
        )


def _gram(features):
    """`(n, ...)` to the products of each image with each, centred: `(n, n)`."""
    features = ops.reshape(features, (-1, np.prod(features.shape[1:])))
    features = features - ops.mean(features, axis=0, keepdims=True)
    return ops.matmul(features, ops.transpose(features))


def _grams(outputs):
    """The Gram matrix of each of L block outputs: `(L, n, n)`, in float32."""
    return ops.stack([_gram(ops.cast(z, "float32")) for z in outputs])


def _gram_model(model):
    outputs = [block.output for block in blocks_of(model)]
    return reading_model(model, outputs, _grams, "grams")


def _measure(inspection):
    other = inspection.model if inspection.other is None else inspection.other
    return {"cka": cka_layers(inspection.model, other, inspection.images)}


def _draw(arrays, inspection):
    names = inspection.name, inspection.other_name or inspection.name
    title = f"Similarity of layers on {inspection.counted}"
    return figures.similarity_of_layers(arrays["cka"], names, title)


def _describe(arrays, inspection):
    values = arrays["cka"]
    if inspection.other is None:
        return f"The CKA of the first and the last layer is {values[0, -1]:.2f}."
    first, last = (f"the {one} layer of {inspection.name}" for one in ("first", "last"))
    return (
        f"Of {inspection.other_name}, layer {values[0].argmax() + 1} is most like "
        f"{first} "
        f"({values[0].max():.2f}), layer {values[-1].argmax() + 1} most like {last} "
        f"({values[-1].max():.2f})."
    )


CKA = FigureSpec(
    "Similarity of layers",
    "Linear centred kernel alignment (CKA): how similar the representations of two "
    "layers are, whatever their widths. Bright blocks are layers that change little; a "
    "bright diagonal between two models means that their layers correspond. Kornblith "
    "et al. (arXiv:1905.00414); for ViT, Raghu et al. (arXiv:2108.08810).",
    measure=_measure,
    draw=_draw,
    describe=_describe,
    needs=(
        ATTENTION,
        EVERY_TOKEN,
        Need(
            lambda inspection: len(inspection.images) >= LEAST,
            f"it needs at least {LEAST} images",
        ),
    ),
)
