"""The accuracy at other resolutions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_vit import figures
from keras_vit.classifier import Classifier, Source
from keras_vit.evaluation.changes import (
    Restriction,
    correct_under,
    drawn,
    whole_pixels,
)
from keras_vit.evaluation.inputs import DataInput, opened
from keras_vit.evaluation.intervals import columns
from keras_vit.evaluation.parts import Part
from keras_vit.evaluation.predictions import predicted
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import renamed_arguments

if TYPE_CHECKING:
    from keras_vit.compat import Strategy

FACTORS = (0.25, 0.375, 0.5, 0.75, 1.0, 1.25, 1.5)  # of a model's own size
LOST, REBUILT = "images lose resolution", "the model's input changes"


@dataclass(frozen=True)
class Resolutions:
    """A model's predictions at other resolutions.

    Attributes:
        own: (height, width) of the model's input in pixels.
        sizes: R such pairs.
        lost: for each size `(N,)` booleans: whether the prediction is correct of
            each image that was brought to that size and back to the model's
            own; `None` where the size is larger.
        rebuilt: the same of the model with that size as its input; `None`
            where it cannot be rebuilt, as for sizes below a patch.
    """

    own: tuple[int, int]
    sizes: tuple[tuple[int, int], ...]
    lost: tuple[np.ndarray | None, ...]
    rebuilt: tuple[np.ndarray | None, ...]

    def part(self) -> Part:
        """Return a `Part`: a row for each accuracy, with its interval."""
        rows: list[dict[str, Any]] = [
            {"what": what, "height": size[0], "width": size[1]}
            | columns("top1", correct)
            for what, cases in ((LOST, self.lost), (REBUILT, self.rebuilt))
            for size, correct in zip(self.sizes, cases, strict=True)
            if correct is not None
        ]
        title = "no accuracy at other resolutions"
        if rows:
            ends = (choose(rows, key=lambda row: row["top1"]) for choose in (min, max))
            title = "accuracy from " + " to ".join(map(_words, ends))
        draw = functools.partial(figures.resolution_curves, rows, (LOST, REBUILT))
        drawings = {"resolution": lambda: draw(min(self.own))} if rows else {}
        return Part("resolution", title, tuple(rows), drawings)


def _words(row: dict[str, Any]) -> str:
    return (
        f"{100 * row['top1']:.2f} % at {row['height']} x {row['width']} pixels "
        f"({row['what']})"
    )


@renamed_arguments(split="data")
def resolutions(
    model: Source,
    data: DataInput,
    sizes: Sequence[int] | None = None,
    *,
    batch_size: int = 200,
    preprocessing: Preprocessing | str | None = None,
    strategy: Strategy | str | None = None,
    seed: int = 0,
    limit: int | None = None,
    restricted: Restriction | None = None,
) -> Resolutions:
    """Measure a classifier at other resolutions, in two senses.

    In the one, images of the model's input size lose resolution: they are
    made smaller, antialiased, and large again, both bilinearly. In the other,
    the model is given another input size by `keras_vit.resize`, and images
    are resized from their own size to that.

    Args:
        model: as `evaluate` takes it; a SavedModel is measured in the first
            sense alone.
        data: as `evaluate` takes it.
        sizes: shorter sides in pixels, the other in proportion; by default
            `FACTORS` times the model's.
        batch_size: images at a time. It does not change the result.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.
        seed: of the draw.
        limit: the maximum number of images, drawn at random; `None`: all.
        restricted: see `changes.correct_under`.

    Returns:
        `Resolutions`.

    Raises:
        ValueError: for a size below 1, or as `evaluate`.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=(32, 48))
    >>> found = resolutions(model, "fashion_mnist_sample", [8, 32, 48], limit=20)
    >>> found.sizes
    ((8, 12), (32, 48), (48, 72))
    >>> [one is None for one in found.rebuilt]
    [True, False, False]
    """
    inputs = opened(model, data, preprocessing)
    classifier = inputs.classifier
    own = classifier.image_size
    if sizes is None:
        sizes = sorted({max(1, round(factor * min(own))) for factor in FACTORS})
    if min(sizes, default=0) < 1:
        raise ValueError(f"Expected sizes of at least one pixel. Received: {sizes}")
    pairs = [_in_proportion(one, own) for one in sizes]
    split = drawn(inputs.split, limit, seed)
    smaller = [size for size in pairs if min(size) <= min(own)]
    changes = [functools.partial(lowered, size) for size in smaller]
    restricted = restricted or inputs.in_order
    correct = correct_under(
        classifier,
        split,
        changes,
        batch_size=batch_size,
        strategy=strategy,
        restricted=restricted,
    )
    lost = dict(zip(smaller, correct, strict=True))

    def rebuilt(size: tuple[int, int]) -> np.ndarray | None:
        other = _at_size(classifier, size)
        if other is None:
            return None
        found = predicted(other, split, batch_size=batch_size, strategy=strategy)
        return restricted(found).correct()

    return Resolutions(
        own,
        tuple(pairs),
        tuple(lost.get(size) for size in pairs),
        tuple(map(rebuilt, pairs)),
    )


def _in_proportion(shorter: int, own: tuple[int, int]) -> tuple[int, int]:
    height, width = (round(shorter * side / min(own)) for side in own)
    return height, width


def lowered(
    size: tuple[int, int], images: np.ndarray, places: np.ndarray | None = None
) -> np.ndarray:
    """Make images small and large again: uint8 `(B, H, W, 3)`, `places` unused."""
    import tensorflow as tf

    if tuple(size) == images.shape[1:3]:
        return images
    small = tf.image.resize(images, size, method="bilinear", antialias=True)
    large = tf.image.resize(small, images.shape[1:3], method="bilinear")
    return whole_pixels(large.numpy())


def _at_size(classifier: Classifier, size: tuple[int, int]) -> Classifier | None:
    """The classifier with another input size; `None` if it cannot be rebuilt."""
    from keras_vit.weights import resize

    if not isinstance(classifier.model, keras.Model):
        return None
    try:
        return dataclasses.replace(classifier, model=resize(classifier.model, size))
    except ValueError:
        return None
