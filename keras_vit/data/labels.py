"""What a table says of its images -> class names, and labels as a split has them."""

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_vit.data.classes import check_class_names, composed, few, in_natural_order

SEPARATORS = ";|"  # of the labels of one image, in CSV
MOST_NUMBERS = 10  # for each class that occurs: with more, they are ids
MANY_NUMBERS = 10  # different ones, which may be measured rather than counted
FEW_IMAGES = 5  # for each number: with fewer, they are measured
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"-?(0|[1-9]\d*)(\.0+)?", re.ASCII)
_ONLY_CLASSES = (
    "Only classes are learned, no numbers such as an age or a price. Give names of "
    "ranges instead, such as 20-29."
)


def labelled(
    labels: Sequence[str | tuple[str, ...]],
    where: str | os.PathLike[str],
    *,
    separators: str = "",
    classes: tuple[str, ...] | None = None,
    exclusive: bool = False,
) -> tuple[tuple[str, ...], np.ndarray, Sequence[str]]:
    """Return class names and labels.

    Args:
        labels: a text for each image, or a tuple of texts.
        where: the table's path, for messages.
        separators: what may separate several labels in a text.
        classes: the names, in their order, where they are known.
        exclusive: whether labels are tuples of which one name each makes labels
            of one class an image.

    Returns:
        Names; labels, `(N,)` int32 or `(N, K)` uint8 zeros and ones; and
        sentences on what may be meant otherwise.

    Raises:
        ValueError: if there are none, or they cannot be classes.
    """
    if not labels:
        raise ValueError(_no_labels(where))
    if exclusive and all(len(label) == 1 for label in labels):
        labels = [name for (name,) in labels]
    if classes is not None:
        several = not isinstance(labels[0], str)
        names, notes = classes, ()
        check_class_names(names)
    else:
        labels, several = _one_or_several(where, labels, separators)
        occurring = {*labels}
        if several:
            occurring = {one for label in occurring for one in label}
        labels, occurring, notes = _as_numbers(labels, occurring, several)
        if not occurring:
            raise ValueError(_no_labels(where))
        names, more = _class_names(where, occurring, len(labels))
        notes = (*notes, *more)
    number: dict[Any, int] = {name: index for index, name in enumerate(names)}
    if not several:
        return names, np.array([number[label] for label in labels], np.int32), notes
    shown = np.zeros((len(labels), len(names)), np.uint8)
    for row, label in enumerate(labels):
        shown[row, [number[name] for name in label]] = 1
    return names, shown, notes


def _no_labels(where):
    return (
        f"Expected at least one row with a label. Received: {where}, which has no rows "
        "with a label. Write a row for each image: its path and its class"
    )


def are_several(labels: Iterable[str | tuple[str, ...]], separators: str = "") -> bool:
    """Return whether an image can have several of these labels, and so also none."""
    return _several(set(labels), separators)[1]


def _several(distinct, separators):
    texts = [label for label in distinct if isinstance(label, str)]
    used = [one for one in separators if any(one in text for text in texts)]
    return used, bool(used) or len(texts) < len(distinct)


def _one_or_several(where, labels, separators):
    """Labels: each a name, or each a tuple of names; and whether the latter."""
    distinct = set(labels)
    used, several = _several(distinct, separators)
    if len(used) > 1:
        raise ValueError(
            f"Expected one separator between labels. Received: {where}, which has both "
            f"{used[0]} and {used[1]} in its labels. Use one."
        )

    def read(label):
        if not several:
            return composed(label.strip())
        if isinstance(label, str):
            label = label.split(*used) if used else [label]
        return tuple(composed(part.strip()) for part in label if part.strip())

    meant = {label: read(label) for label in distinct}
    return [meant[label] for label in labels], several


def _as_numbers(labels, occurring, several):
    """Labels such as 1.0, which pandas makes of 1, as the whole numbers they are."""
    floats = [name for name in occurring if name.endswith("0") and "." in name]
    if not floats or not all(_WHOLE.fullmatch(name) for name in occurring):
        return labels, occurring, ()
    meant = {name: name.split(".")[0] for name in occurring}
    note = f"Labels such as {min(floats)} are read as the numbers of classes, as 0, 1."
    if several:
        labels = [tuple(meant[name] for name in label) for label in labels]
    else:
        labels = [meant[label] for label in labels]
    return labels, {*meant.values()}, (note,)


def _class_names(where, occurring, images):
    """The names that occur; if they are whole numbers, all from 0 to the largest."""
    if all(_WHOLE.fullmatch(name) for name in occurring):
        return _of_numbers(where, {int(name) for name in occurring}, images)
    numbers = all(_NUMBER.fullmatch(name) for name in occurring)
    fractions = numbers and any("." in name for name in occurring)
    if fractions and len(occurring) > MANY_NUMBERS:
        values = sorted(map(float, occurring))
        raise ValueError(
            f"{where}: labels must be classes. {_ONLY_CLASSES} Received: "
            f"{len(values):,} different numbers from {values[0]:g} to {values[-1]:g}"
        )
    names = in_natural_order(occurring)
    check_class_names(names)
    notes = [f"Each number is taken for a class. {_ONLY_CLASSES}"] if fractions else []
    return names, (*notes, *_of_commas(names))


def _of_numbers(where, numbers, images):
    """The classes of whole numbers, and what there is to say of these."""
    least, largest, count = min(numbers), max(numbers), len(numbers)
    # Classes are counted from 0 or from 1, and most of them occur.
    gaps = largest + 1 - count - (least == 1)
    measured = count > MANY_NUMBERS and gaps and images < FEW_IMAGES * count
    if least < 0 or largest + 1 > MOST_NUMBERS * count or measured:
        raise ValueError(
            f"{where}: labels that are integers must be the numbers of classes, "
            f"from 0. Received: {count} different ones from {least} to {largest}"
            f" for {images:,} images. {_ONLY_CLASSES} Numbers that are classes need "
            f"names in words, such as class_{largest}."
        )
    notes = ()
    if count > MANY_NUMBERS and gaps:
        notes = (
            f"Labels are {count} different numbers from {least} to {largest}, each "
            f"taken for a class. {_ONLY_CLASSES}",
        )
    return tuple(map(str, range(largest + 1))), notes


def _of_commas(names):
    """A sentence where names with commas, or of names, seem to be several each."""
    parts = {n: [part.strip() for part in n.split(",")] for n in names if "," in n}
    plain = {name for name in names if "," not in name}
    counts = {}
    for of_name in parts.values():
        for part in {*of_name}:
            counts[part] = counts.get(part, 0) + 1
    found = [
        name
        for name, of_name in parts.items()
        if any(part in plain or counts[part] > 1 for part in of_name)
    ]
    words = {name: name.split() for name in plain if " " in name}
    found += [name for name, its in words.items() if plain.issuperset(its)]
    if found:
        yield (
            f"Classes such as {few(map(repr, found))} seem to be several labels each, "
            "and are learned as classes of their own: separate labels by ; or |."
        )
