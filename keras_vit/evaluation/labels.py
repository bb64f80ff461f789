"""Labels from a file: several correct classes an image, or some of a model's classes.

Both are JSON. A list has, for each image of the test split in its order, the
list of the correct classes, by their numbers; an image with none is left out.
So "Are we done with ImageNet?" (arXiv:2006.07159) publishes its reassessed
labels, `real.json`:

    [[], [970, 795], [230, 231], [809], ...]

An object has, for each class of the data set, by its name, the number or the
name of the model's class, or a list of several that all mean it. So a model
of 1,000 classes is evaluated on 200 of them, or on coarser ones:

    {"goldfish": 1, "great white shark": "white_shark", "dog": [151, 152, 153]}
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.evaluation.predictions import Predictions
from keras_vit.renamed import OldName

if TYPE_CHECKING:
    from keras_vit.data import Dataset
    from keras_vit.data.labelled import Labelled

# ImageNet's validation images, in whose order reassessed labels are.
_NUMBERED = re.compile(r"ILSVRC2012_val_(\d{8})\.")


@dataclass(frozen=True)
class RealLabels:
    """The correct classes of each image.

    Attributes:
        sets: of each image of the test split, in its order, a tuple.
    """

    sets: tuple[tuple[int, ...], ...]

    def correct(self, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
        """Return whether each prediction is one of its image's classes, if it has any.

        Returns:
            The indices of the images that have any, `(n,)`, and booleans `(n,)`.
        """
        counted = np.flatnonzero([len(classes) > 0 for classes in self.sets])
        best = predictions.argmax()
        return counted, np.array([best[one] in self.sets[one] for one in counted], bool)

    right = OldName("correct")


@dataclass(frozen=True)
class Subset:
    """The model's classes that a data set has.

    Attributes:
        groups: for each class of the data set, those of the model.
        num_classes: of the model.
    """

    groups: tuple[tuple[int, ...], ...]
    num_classes: int

    def restricted(self, predictions: Predictions) -> Predictions:
        """Return predictions among the data set's classes alone.

        Of several classes of the model that mean the same, the probabilities
        are summed by softmax; by sigmoid, the largest counts.
        """
        softmax = predictions.activation == "softmax"
        merge = np.logaddexp if softmax else np.maximum
        columns = [
            merge.reduce(predictions.logits[:, list(group)], axis=1)
            for group in self.groups
        ]
        logits = np.stack(columns, axis=1)
        return Predictions(logits, predictions.labels, predictions.activation)


def read_labels(
    path: str | os.PathLike[str],
    dataset: Dataset,
    num_classes: int,
    class_names: Sequence[str] | None = None,
) -> RealLabels | Subset:
    """Read a file of labels.

    Args:
        path: of the file, as the head of this module describes it.
        dataset: the `keras_vit.data.Dataset` that it is for.
        num_classes: of the model.
        class_names: of the model's classes; `None` where none are known.

    Returns:
        `RealLabels`, or a `Subset`.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not such a file, or does not fit the data set or
            the model, saying where.
    """
    path = pathlib.Path(path).expanduser()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if isinstance(content, list):
        return _real_labels(content, path, dataset, num_classes)
    if isinstance(content, dict):
        return _subset(content, path, dataset, num_classes, class_names)
    raise ValueError(
        f"Expected in {path} a list with the classes of each image, or an object with "
        f"the model's class for each of the data set's. Received: {content!r:.40}"
    )


def check_order(
    model: object,
    class_names: Sequence[str] | None,
    expected: Sequence[str] | None,
) -> None:
    """Refuse a model whose classes are those that are expected, in another order.

    Each of its correct predictions would count as a wrong one. Classes of other
    names may be the same ones.

    Args:
        model: what it is called.
        class_names: of the model's classes; `None` where none are known.
        expected: such names.

    Raises:
        ValueError: naming the first class that stands elsewhere.

    Example:

    >>> check_order("a model", ("cat", "dog"), ("cat", "dog"))
    """
    received, expected = tuple(class_names or ()), tuple(expected or ())
    if received == expected or sorted(received) != sorted(expected):
        return
    pairs = enumerate(zip(received, expected, strict=True))
    place, (mine, other) = next(one for one in pairs if one[1][0] != one[1][1])
    raise ValueError(
        f"The classes of {model} are in another order. Expected as number {place}: "
        f"{other!r}. Received: {mine!r}"
    )


def _real_labels(
    content: list[Any], path: pathlib.Path, dataset: Dataset, num_classes: int
) -> RealLabels:
    split = dataset.test
    if len(content) != len(split):
        raise ValueError(
            f"Expected in {path} a list of classes for each of the {len(split):,} test "
            f"images of {dataset.name}. Received: {len(content):,}"
        )
    for number, classes in enumerate(content):
        if not isinstance(classes, list) or not all(
            _is_class(one, num_classes) for one in classes
        ):
            raise ValueError(
                f"Expected in {path} for each image a list of classes in "
                f"[0, {num_classes}). Received for image {number}: {classes!r:.60}"
            )
    if not any(content):
        raise ValueError(f"Expected in {path} classes of some image. Received: none")
    return RealLabels(tuple(tuple(content[place]) for place in _places(split)))


def _places(split: Labelled) -> Sequence[int]:
    """The place of each image of a split in the file: its number if names have one."""
    found = [_NUMBERED.search(split.name(index)) for index in range(len(split))]
    if not all(found):
        return range(len(split))
    places = [int(one[1]) - 1 for one in found if one]
    return places if set(places) == {*range(len(split))} else range(len(split))


def _subset(
    content: dict[str, Any],
    path: pathlib.Path,
    dataset: Dataset,
    num_classes: int,
    class_names: Sequence[str] | None,
) -> Subset:
    names = dataset.class_names
    if dataset.test.labels.ndim == 2:
        raise ValueError(
            f"Expected for {path}, which has classes of a model, images of one class "
            f"each. Received: {dataset.name}, whose images can have several"
        )
    missing = [name for name in names if name not in content]
    unknown = [name for name in content if name not in names]
    if missing or unknown:
        raise ValueError(
            f"Expected in {path} each class of {dataset.name} and no other. "
            f"Missing: {_some(missing)}. Unknown: {_some(unknown)}"
        )
    numbers = {name: number for number, name in enumerate(class_names or ())}
    groups = [_group(content[name], name, path, num_classes, numbers) for name in names]
    owner: dict[int, str] = {}
    for name, group in zip(names, groups, strict=True):
        for one in group:
            if owner.setdefault(one, name) != name:
                raise ValueError(
                    f"{path} takes the model's class {one} for both {owner[one]!r} and "
                    f"{name!r}"
                )
    return Subset(tuple(groups), num_classes)


def _group(
    value: Any, name: str, path: pathlib.Path, num_classes: int, numbers: dict[str, int]
) -> tuple[int, ...]:
    """The model's classes for one of the data set's, as numbers."""
    values = value if isinstance(value, list) else [value]
    group = [numbers.get(one, one) if isinstance(one, str) else one for one in values]
    if not group or not all(_is_class(one, num_classes) for one in group):
        known = " or names" if numbers else ""
        raise ValueError(
            f"Expected in {path} numbers{known} of the model's {num_classes} classes. "
            f"Received for {name!r}: {values!r:.60}"
        )
    return tuple(dict.fromkeys(int(one) for one in group))


def _is_class(one: object, num_classes: int) -> bool:
    return isinstance(one, int) and type(one) is int and 0 <= one < num_classes


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(map(repr, names[:3])) or "none") + more
