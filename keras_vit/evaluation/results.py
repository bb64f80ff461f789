"""How many answers are right: of all images, of each class, by other labels."""

import dataclasses

from keras_vit.evaluation.headline import headline, without_area
from keras_vit.evaluation.intervals import compare, interval, share_interval
from keras_vit.evaluation.labels import RealLabels
from keras_vit.evaluation.parts import Part


def metrics(context):
    """A `Part` of the whole split: headline, accuracies with intervals, loss, F1."""
    answers, found = context.answers(), context.evaluation()
    first = [(one.metric, one.value) for one in headline(found)]
    values = dict(first) | {"top1": found.top1, "top5": found.top5}
    values |= {"loss": found.loss, "macro_f1": found.macro_f1}
    intervals = {
        f"top{top}": interval(answers.right(top), context.seed) for top in (1, 5)
    }
    rows = []
    for name, value in values.items():
        low, high = intervals.get(name, (None, None))
        rows.append({"metric": name, "value": value, "low": low, "high": high})
    title = f"{found.count:,} images of {context.dataset.name}"
    if found.binary:
        title += f"; {context.class_names[1]!r} is what sensitivity is of"
    if without_area(found):
        title += f"; {without_area(found)}"
    return Part("metrics", title, tuple(rows))


def classes(context):
    """A `Part` with a row for each class."""
    found = context.evaluation()
    shown, answered, both = found.classes
    ranking, rows = found.ranking, []
    for number, name in enumerate(context.class_names):
        low = high = None
        if shown[number]:
            low, high = share_interval(both[number], shown[number], context.seed)
        rows.append(
            {
                "class": name,
                "images": int(shown[number]),
                "answered": int(answered[number]),
                "right": int(both[number]),
                "accuracy": _number(found.class_accuracy[number]),
                "low": low,
                "high": high,
                "f1": _number(found.f1[number]),
                "specificity": _number(found.class_specificity[number]),
                "auroc": _number(ranking.auroc[number]),
                "average_precision": _number(ranking.average_precision[number])
                if found.several
                else None,
            }
        )
    return Part("classes", _extremes(rows), tuple(rows))


def _extremes(rows):
    """The least and the most accurate class, in words."""
    rows = [row for row in rows if row["accuracy"] is not None]
    if not rows:
        return "no class has images"
    ends = (choose(rows, key=lambda row: row["accuracy"]) for choose in (min, max))
    least, most = (f"{row['class']}, {100 * row['accuracy']:.2f} %" for row in ends)
    return f"accuracy from {least}, to {most}"


def lacks_real(context):
    """Why answers are not held against several right classes, if so."""
    if not isinstance(context.labels, RealLabels):
        return "no file of labels has the right classes of each image"
    return None


def real(context):
    """A `Part` of the accuracy by the right classes of each image."""
    answers = context.answers()
    counted, right = context.labels.right(answers)
    rows = []
    for labels, values in (("file", right), ("data set", answers.right()[counted])):
        low, high = interval(values, context.seed)
        rows.append(
            {
                "labels": labels,
                "images": len(counted),
                "left_out": len(answers) - len(counted),
                "top1": float(values.mean()),
                "low": low,
                "high": high,
            }
        )
    title = (
        f"top-1 {100 * rows[0]['top1']:.2f} % by the labels of the file "
        f"({100 * rows[0]['low']:.2f} to {100 * rows[0]['high']:.2f}), on the "
        f"{len(counted):,} images that have any"
    )
    return Part("real", title, tuple(rows))


def lacks_other(context):
    """Why two models are not compared, if so."""
    return None if context.other is not None else "no other model is named"


def comparison(context):
    """A `Part` of the model against another one on the same images."""
    first, second = context.answers(), context.answers(model=context.other)
    found = compare(first.right(), second.right(), context.seed)
    row = dataclasses.asdict(found) | {"difference": found.difference}
    return Part("comparison", found.sentence(), (row,))


def _number(value):
    """A float; `None` for NaN, which JSON does not have."""
    return None if value != value else float(value)
