"""How many answers are right: of all images, and of each class."""

from keras_vit.evaluation.intervals import interval
from keras_vit.evaluation.parts import Part


def metrics(context):
    """A `Part` of the whole split: loss, accuracies with their intervals, F1."""
    answers, found = context.answers(), context.evaluation()
    rows = [{"metric": "loss", "value": found.loss, "low": None, "high": None}]
    for top, value in ((1, found.top1), (5, found.top5)):
        low, high = interval(answers.right(top), context.seed)
        rows.append({"metric": f"top{top}", "value": value, "low": low, "high": high})
    others = {
        "macro_f1": found.macro_f1,
        "mean_average_precision": found.mean_average_precision,
    }
    rows += [
        {"metric": name, "value": value, "low": None, "high": None}
        for name, value in others.items()
        if value is not None
    ]
    title = f"{context.dataset.name}: {found.count:,} images"
    return Part("metrics", title, tuple(rows))


def classes(context):
    """A `Part` with a row for each class."""
    answers, found = context.answers(), context.evaluation()
    shown, answered, both = found.classes
    rows = []
    for number, name in enumerate(context.class_names):
        right = [True] * both[number] + [False] * (shown[number] - both[number])
        low, high = interval(right, context.seed) if right else (None, None)
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
            }
        )
    several = ", those above one half" if answers.several else ""
    return Part("classes", f"Accuracy of each class{several}", tuple(rows))


def _number(value):
    """A float; `None` for NaN, which JSON does not have."""
    return None if value != value else float(value)
