"""The numbers that sum an evaluation up, the most important first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras_vit.evaluation.metrics import Evaluation

FEW_CLASSES = 5  # of which five predictions are all there are


@dataclass(frozen=True)
class Number:
    """A number of an `Evaluation`.

    Attributes:
        metric: its name in files.
        label: its name for people.
        value: a share.
    """

    metric: str
    label: str
    value: float


def headline(
    evaluation: Evaluation, class_names: Sequence[str] | None = None
) -> list[Number]:
    """Return the numbers that sum an `Evaluation` up, in order.

    Where an image can have several classes, the mean average precision and
    the AUROC come first: one prediction of five is often correct by chance. Of
    two classes, the second is what is looked for: its sensitivity and
    specificity are added. Numbers that are undefined, or that need logits where
    none were kept, are left out.

    Args:
        evaluation: an `Evaluation`.
        class_names: K; of two, the second is named.

    Returns:
        A list of `Number`.

    Example:

    >>> from keras_vit.evaluation import Predictions, evaluation_of
    >>> found = evaluation_of(Predictions(np.eye(2), np.array([0, 1])))
    >>> for one in headline(found, ["benign", "malignant"]):
    ...     print(one.label, one.value)
    top-1 1.0
    AUROC 1.0
    sensitivity (malignant) 1.0
    specificity (malignant) 1.0
    """
    named = f" ({class_names[1]})" if evaluation.binary and class_names else ""
    area = "AUROC" if evaluation.binary else "macro AUROC"
    ranks = [
        ("mean_average_precision", "mAP", evaluation.mean_average_precision),
        ("auroc", area, evaluation.auroc),
    ]
    accuracies = [("top1", "top-1", evaluation.top1)]
    if evaluation.classes.shape[1] > FEW_CLASSES:
        accuracies.append(("top5", "top-5", evaluation.top5))
    found = [
        *(ranks + accuracies if evaluation.multi_label else accuracies + ranks),
        ("sensitivity", f"sensitivity{named}", evaluation.sensitivity),
        ("specificity", f"specificity{named}", evaluation.specificity),
    ]
    return [
        Number(metric, label, value)
        for metric, label, value in found
        if value is not None
    ]


def without_area(evaluation: Evaluation) -> str | None:
    """Return how many classes the AUROC leaves out, in words, if any."""
    if evaluation.ranking is None or not evaluation.without_auroc:
        return None
    count, total = evaluation.without_auroc, evaluation.classes.shape[1]
    return (
        f"AUROC over {total - count:,} of {total:,} classes: no image, or every image, "
        "is of the others"
    )
