"""The numbers that sum an evaluation up, the most important first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras_vit.evaluation.evaluated import FEW_CLASSES, Evaluation


@dataclass(frozen=True)
class Number:
    """A number of an `Evaluation`.

    Attributes:
        metric: its name in files.
        label: its name for people.
        value: a share.
        interval: its 95 % interval, `(low, high)`; `None` for what is no share of
            images, such as the AUROC.
    """

    metric: str
    label: str
    value: float
    interval: tuple[float, float] | None = None

    @property
    def text(self) -> str:
        """The value in per cent, with its interval if it has one.

        Example:

        >>> Number("top1", "top-1", 0.5, (0.25, 0.75)).text
        '50.00 % (25.00 to 75.00)'
        """
        if self.interval is None:
            return f"{100 * self.value:.2f} %"
        low, high = self.interval
        return f"{100 * self.value:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


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
    ...     print(one.label, one.text)
    top-1 100.00 % (34.24 to 100.00)
    AUROC 100.00 %
    sensitivity (malignant) 100.00 % (20.65 to 100.00)
    specificity (malignant) 100.00 % (20.65 to 100.00)
    """
    named = f" ({class_names[1]})" if evaluation.binary and class_names else ""
    area = "AUROC" if evaluation.binary else "macro AUROC"
    ranks = [
        ("mean_average_precision", "mAP", evaluation.mean_average_precision),
        ("auroc", area, evaluation.auroc),
    ]
    accuracies = [("top1", "top-1", evaluation.top1)]
    if evaluation.has_top5:
        accuracies.append(("top5", "top-5", evaluation.top5))
    found = [
        *(ranks + accuracies if evaluation.multi_label else accuracies + ranks),
        ("sensitivity", f"sensitivity{named}", evaluation.sensitivity),
        ("specificity", f"specificity{named}", evaluation.specificity),
    ]
    intervals = evaluation.intervals
    return [
        Number(metric, label, value, intervals.get(metric))
        for metric, label, value in found
        if value is not None
    ]


def without_area(evaluation: Evaluation) -> str | None:
    """Return how many classes the AUROC leaves out, in words, if any."""
    if evaluation.ranking is None or not evaluation.without_auroc:
        return None
    count, total = evaluation.without_auroc, evaluation.num_classes
    return (
        f"AUROC over {total - count:,} of {total:,} classes: no image, or every image, "
        "is of the others"
    )


def support(evaluation: Evaluation, class_names: Sequence[str]) -> str:
    """Return how many images the classes have, in words.

    Args:
        evaluation: an `Evaluation`.
        class_names: K.

    Example:

    >>> from keras_vit.evaluation import Predictions, evaluation_of
    >>> found = evaluation_of(Predictions(np.eye(2)[[0, 0, 1]], np.array([0, 0, 1])))
    >>> support(found, ["cat", "dog"])
    'images of each class: cat 2, dog 1'
    """
    counts = evaluation.classes[0].tolist()
    fewest, most = min(counts), max(counts)
    if fewest == most:
        return f"{len(counts):,} classes of {most:,} images each"
    if len(counts) <= FEW_CLASSES:
        pairs = zip(class_names, counts, strict=True)
        return "images of each class: " + ", ".join(
            f"{name} {count:,}" for name, count in pairs
        )
    smallest, largest = (class_names[counts.index(one)] for one in (fewest, most))
    return (
        f"{len(counts):,} classes of {fewest:,} ({smallest}) to {most:,} ({largest}) "
        "images"
    )


def majority(evaluation: Evaluation) -> str:
    """Return the share of the largest class, which any accuracy is compared with."""
    return f"the largest class has {100 * evaluation.majority_share:.2f} %"
