"""Which classes are predicted for which others, and images of those."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit import figures
from keras_vit.data.inspection.reading import thumbnail
from keras_vit.evaluation import mistakes
from keras_vit.evaluation.parts import Part
from keras_vit.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context
    from keras_vit.figures.drawing import Figure

MOST_PAIRS = 10  # that are shown
MOST_IMAGES = 8  # of a pair that are shown
SIDE = 96  # pixels of such an image


def pairs(predictions: Predictions) -> list[tuple[int, int, int]]:
    """Count how often each class is predicted for each class, where it ever is.

    Args:
        predictions: of images of one class each.

    Returns:
        As `keras_vit.evaluation.mistakes.pairs`.

    Example:

    >>> from keras_vit.evaluation import Predictions
    >>> pairs(Predictions(np.eye(3)[[0, 1, 1, 2]], np.array([0, 1, 2, 2])))
    [(2, 1, 1), (0, 0, 1), (1, 1, 1), (2, 2, 1)]
    """
    return mistakes.pairs(predictions.labels, predictions.argmax())


def lacks(context: Context) -> str | None:
    """Return why there is no confusion matrix, if so."""
    if context.dataset.test.labels.ndim == 2:
        return "multi-label images have no confusion matrix"
    return None


def confusion(context: Context) -> Part:
    """Return a `Part` with a row for each pair of a true and a predicted class."""
    predictions, names = context.predictions(), context.class_names
    found = pairs(predictions)
    wrong = [one for one in found if one[0] != one[1]][:MOST_PAIRS]
    wrongly = mistakes.mistakes_of(predictions)
    images = {
        (true, predicted): wrongly.of_pair(true, predicted, MOST_IMAGES)
        for true, predicted, _ in wrong
    }
    shown = np.bincount(predictions.labels, minlength=predictions.num_classes)
    split = context.dataset.test
    rows = [
        {
            "class": names[true],
            "predicted": names[predicted],
            "images": count,
            "share": float(count / shown[true]),
            "shown": "; ".join(map(split.name, images.get((true, predicted), ()))),
        }
        for true, predicted, count in found
    ]
    return Part(
        "confusion", _title(rows[0]), tuple(rows), _figures(context, wrong, images)
    )


def _title(row: dict[str, Any]) -> str:
    if row["class"] == row["predicted"]:
        return "no class is predicted for another"
    return (
        f"{row['class']} is predicted as {row['predicted']} most often, in "
        f"{row['images']:,} images, {100 * row['share']:.1f} % of its own"
    )


Pairs = list[tuple[int, int, int]]
Images = dict[tuple[int, int], list[int]]


def _figures(
    context: Context, wrong: Pairs, images: Images
) -> dict[str, Callable[[], Figure]]:
    names, matrix = context.class_names, context.evaluation().confusion
    found: dict[str, Callable[[], Figure]] = {}
    if matrix is not None:
        found["confusion_matrix"] = lambda: figures.confusion_matrix(matrix, names)
    if wrong:
        found["most_confused"] = lambda: _sheet(context, wrong, images)
    return found


def _sheet(context: Context, wrong: Pairs, images: Images) -> Figure:
    """The most confused pairs, each with its most confident mistakes."""
    names, split = context.class_names, context.dataset.test
    shown = [
        (
            names[true],
            names[predicted],
            count,
            [thumbnail(split, index, SIDE) for index in images[true, predicted]],
        )
        for true, predicted, count in wrong
    ]
    title = (
        f"{context.dataset.name}: images of a class predicted as another, the most "
        "confident first"
    )
    return figures.confused_pairs(shown, SIDE, title)
