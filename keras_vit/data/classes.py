"""The names of classes: their order, and what a name may be."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.class_names import check_lines as check_lines
from keras_vit.class_names import few as few

if TYPE_CHECKING:
    from keras_vit.data.dataset import Dataset


def in_natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names so that class 10 follows class 9.

    Example:

    >>> in_natural_order(["class 10", "class 9"])
    ('class 9', 'class 10')
    """
    return tuple(sorted(names, key=_natural))


def _natural(name):
    parts = re.split(r"(\d+)", name)
    parts[1::2] = map(int, parts[1::2])
    return parts, name  # the name itself parts "1" from "01"


def composed(name: str) -> str:
    """Return a name with its accents composed (NFC), as macOS does not store it."""
    return unicodedata.normalize("NFC", name)


def check_class_names(names: Sequence[str]) -> None:
    """Refuse names that do not distinguish classes.

    Raises:
        ValueError: naming those that `check_lines` refuses, or that occur
            twice.
    """
    check_lines(names)
    twice = {name for name in names if names.count(name) > 1} if _repeats(names) else ()
    if twice:
        raise ValueError(
            "Expected a different name for each class. Received twice: "
            f"{few(sorted(twice))}. Rename one of them"
        )


def _repeats(names):
    return len(set(names)) < len(names)


def untrained(dataset: "Dataset") -> list[str]:
    """Return the names of classes that have images, but none for training."""
    shown = {
        split: images.labels.any(axis=0)
        if images.labels.ndim == 2
        else np.bincount(images.labels, minlength=dataset.num_classes) > 0
        for split, images in dataset.splits().items()
    }
    missing = np.any([*shown.values()], axis=0) & ~shown["train"]
    return [dataset.class_names[number] for number in np.flatnonzero(missing)]


def check_trained(
    untrained: Sequence[str], where: str | os.PathLike[str], advice: str
) -> None:
    """Refuse classes without a training image.

    Args:
        untrained: their names.
        where: what is read, for the message.
        advice: what to do.

    Raises:
        ValueError: if there are any.
    """
    if untrained:
        raise ValueError(
            "Expected a training image of every class. Received: "
            f"{where}, which has no training image of {few(map(repr, untrained))}. "
            f"{advice}"
        )


def only_class(dataset: "Dataset") -> str | None:
    """Return the one label that all training images have; `None` if they differ."""
    labels = dataset.train.labels
    if not (labels == labels[0]).all():
        return None
    shown = np.flatnonzero(labels[0]) if labels.ndim == 2 else [labels[0]]
    return few(repr(dataset.class_names[number]) for number in shown) or "no class"


def check_several(dataset: "Dataset") -> None:
    """Refuse images that all have the same label, from which nothing is learned.

    Raises:
        ValueError: naming it.
    """
    only = only_class(dataset)
    if only is not None:
        raise ValueError(
            "Expected training images of at least two classes. "
            f"Received: {dataset.name}, whose {len(dataset.train):,} training images "
            f"all show {only}. Add images of another class"
        )
