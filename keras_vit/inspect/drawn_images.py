"""Images drawn from a data set, of its classes in turn."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_vit.classifier import Classifier

if TYPE_CHECKING:
    from keras_vit.decoding import Decoding


class ReadImages(NamedTuple):
    """Images as a model sees them.

    Attributes:
        pixels: float32 `(B, height, width, 3)`, in [0, 255], of the model's size.
        names: a line for each image: its file's name; its true class and its name
            in the data set; or its number.
        source: where the images are from.
        class_names: of the data set; `None` where there is none, or it has none.
    """

    pixels: np.ndarray
    names: tuple[str, ...]
    source: str
    class_names: tuple[str, ...] | None = None


def draw_images(
    data: Any,
    classifier: Classifier,
    limit: int,
    *,
    decoding: Decoding | None = None,
    seed: int = 0,
) -> ReadImages:
    """Return images of a data set's test split, as a model sees them.

    Args:
        data: as `keras_vit.data.inputs.split_of` takes it.
        classifier: whose size and preprocessing the images get.
        limit: the most to draw.
        decoding: of image files behind a name or a path; the model's by default.
        seed: of the draw.

    Raises:
        UnreadableImageError: naming an image that cannot be read.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> classifier = Classifier.of(model, class_names=("cat", "dog"))
    >>> data = np.zeros((6, 4, 4, 3), np.uint8), np.arange(6) // 3
    >>> drawn = draw_images(data, classifier, 4)
    >>> sorted(name.split(" (")[0] for name in drawn.names)
    ['true: cat', 'true: cat', 'true: dog', 'true: dog']
    """
    from keras_vit.data.evaluation import evaluation_batches
    from keras_vit.data.inputs import split_of

    split: Any
    split, class_names = split_of(data, decoding=decoding or classifier.decoding)
    drawn = _in_turn(split.labels, np.random.default_rng(seed))[:limit]
    part = split.subset(drawn)
    images, labels, _ = next(
        evaluation_batches(
            part, len(part), classifier.image_size, classifier.preprocessing
        )
    )
    known = class_names or classifier.class_names
    names = (
        f"true: {_classes(label, known)} ({_own_name(split, index)})"
        for label, index in zip(labels, drawn, strict=True)
    )
    pixels = np.asarray(images, np.float32)
    return ReadImages(pixels, tuple(names), _source_of(data), class_names)


def _source_of(data: Any) -> str:
    if isinstance(data, (str, os.PathLike)):
        return f"drawn from {os.fspath(data)}, test"
    name = getattr(data, "name", None)
    return f"drawn from {name}, test" if isinstance(name, str) else "drawn from a split"


def _in_turn(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All indices in random order, no class again before each had its turn."""
    order = rng.permutation(len(labels))
    if labels.ndim == 2:
        return order
    turns = np.empty(len(order), int)
    for label in np.unique(labels):
        of_class = labels[order] == label
        turns[of_class] = np.arange(of_class.sum())
    return order[np.argsort(turns, kind="stable")]


def _classes(label: Any, names: Sequence[str] | None) -> str:
    if np.ndim(label) == 0:
        return _name(label, names)
    several = (_name(int(one), names) for one in np.flatnonzero(label))
    return " and ".join(several) or "no class"


def _name(label: int, names: Sequence[str] | None) -> str:
    return names[label] if names and label < len(names) else f"class {label}"


def _own_name(split: Any, index: int) -> str:
    name = split.name(index)
    return f"number {name}" if name.isdigit() else pathlib.Path(name).name
