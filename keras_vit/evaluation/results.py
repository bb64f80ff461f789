"""How many predictions are correct: of all images, of each class, by other labels."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from keras_vit.evaluation.evaluated import none_if_nan
from keras_vit.evaluation.headline import headline, majority, without_area
from keras_vit.evaluation.intervals import columns, compare
from keras_vit.evaluation.labels import RealLabels
from keras_vit.evaluation.parts import Part

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context


def metrics(context: Context) -> Part:
    """Return a `Part` of the whole split: accuracies with intervals, loss, F1."""
    found = context.evaluation()
    first = [(one.metric, one.value) for one in headline(found)]
    values = dict(first) | {"loss": found.loss, "macro_f1": found.macro_f1}
    intervals = found.intervals
    rows = []
    for name, value in values.items():
        low, high = intervals.get(name, (None, None))
        rows.append({"metric": name, "value": value, "low": low, "high": high})
    title = f"{found.count:,} images of {context.dataset.name}; {majority(found)}"
    if found.binary:
        title += f"; sensitivity is that of {context.class_names[1]!r}"
    if without_area(found):
        title += f"; {without_area(found)}"
    return Part("metrics", title, tuple(rows))


def classes(context: Context) -> Part:
    """Return a `Part` with a row for each class."""
    found = context.evaluation()
    shown, predicted, both = found.classes
    ranking, intervals, rows = found.ranking, found.class_intervals, []
    areas = precisions = None
    if ranking is not None:
        areas, precisions = ranking.auroc, ranking.average_precision
    for number, name in enumerate(context.class_names):
        low, high = intervals[number] or (None, None)
        rows.append(
            {
                "class": name,
                "images": int(shown[number]),
                "predicted": int(predicted[number]),
                "correct": int(both[number]),
                "accuracy": none_if_nan(found.class_accuracy[number]),
                "low": low,
                "high": high,
                "f1": none_if_nan(found.f1[number]),
                "specificity": none_if_nan(found.class_specificity[number]),
                "auroc": None if areas is None else none_if_nan(areas[number]),
                "average_precision": None
                if precisions is None
                else none_if_nan(precisions[number]),
            }
        )
    return Part("classes", _extremes(rows), tuple(rows))


def _extremes(rows: list[dict[str, Any]]) -> str:
    """The least and the most accurate class, in words."""
    rows = [row for row in rows if row["accuracy"] is not None]
    if not rows:
        return "no class has images"
    ends = (choose(rows, key=lambda row: row["accuracy"]) for choose in (min, max))
    least, most = (
        f"{row['class']}, {100 * row['accuracy']:.2f} % of {row['images']:,} images"
        for row in ends
    )
    return f"accuracy from {least}, to {most}"


def lacks_real(context: Context) -> str | None:
    """Return why predictions are not compared with several correct classes, if so."""
    if not isinstance(context.labels, RealLabels):
        return "no file of labels has the correct classes of each image"
    return None


def real(context: Context) -> Part:
    """Return a `Part` of the accuracy by the correct classes of each image."""
    predictions, labels = context.predictions(), context.labels
    if not isinstance(labels, RealLabels):
        raise ValueError(f"Expected RealLabels. Received: labels={labels!r}")
    counted, correct = labels.correct(predictions)
    images = {"images": len(counted), "left_out": len(predictions) - len(counted)}
    cases = {"file": correct, "data set": predictions.correct()[counted]}
    rows = [
        {"labels": source} | images | columns("top1", values)
        for source, values in cases.items()
    ]
    title = (
        f"top-1 {100 * rows[0]['top1']:.2f} % by the labels of the file "
        f"({100 * rows[0]['low']:.2f} to {100 * rows[0]['high']:.2f}), on the "
        f"{len(counted):,} images that have any"
    )
    return Part("real", title, tuple(rows))


def lacks_other(context: Context) -> str | None:
    """Return why two models are not compared, if so."""
    return None if context.other is not None else "no other model is named"


def comparison(context: Context) -> Part:
    """Return a `Part` of the model against another one on the same images."""
    first, second = context.predictions(), context.predictions(model=context.other)
    found = compare(first.correct(), second.correct(), context.seed)
    row = dataclasses.asdict(found) | {"difference": found.difference}
    return Part("comparison", found.sentence(), (row,))
