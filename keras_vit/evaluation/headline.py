"""The numbers that an evaluation is summed up by, the most telling first."""

from dataclasses import dataclass

FEW_CLASSES = 5  # of which five answers are all there are


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


def headline(evaluation, class_names=None):
    """The numbers that sum an `Evaluation` up, in order.

    Where an image can have several classes, the mean average precision and
    the AUROC come first: one answer in five is soon right by chance. Of two
    classes, the second is what is looked for: its sensitivity and specificity
    are told. Numbers that are undefined, or that need logits where none were
    kept, are left out.

    Args:
        evaluation: an `Evaluation`.
        class_names: K; of two, the second is named.

    Returns:
        A list of `Number`.

    Example:

    >>> from keras_vit.evaluation import Answers, evaluation_of
    >>> answers = Answers(np.eye(2, dtype=np.float32), np.array([0, 1]))
    >>> for one in headline(evaluation_of(answers), ["benign", "malignant"]):
    ...     print(one.label, one.value)
    top-1 1.0
    AUROC 1.0
    sensitivity (malignant) 1.0
    specificity (malignant) 1.0
    """
    named = f" ({class_names[1]})" if evaluation.binary and class_names else ""
    area = "AUROC" if evaluation.binary else "macro AUROC"
    ranks = [
        Number("mean_average_precision", "mAP", evaluation.mean_average_precision),
        Number("auroc", area, evaluation.auroc),
    ]
    right = [Number("top1", "top-1", evaluation.top1)]
    if evaluation.classes.shape[1] > FEW_CLASSES:
        right.append(Number("top5", "top-5", evaluation.top5))
    found = [
        *(ranks + right if evaluation.several else right + ranks),
        Number("sensitivity", f"sensitivity{named}", evaluation.sensitivity),
        Number("specificity", f"specificity{named}", evaluation.specificity),
    ]
    return [one for one in found if one.value is not None]


def without_area(evaluation):
    """How many classes the AUROC leaves out, in words; `None`: none."""
    if evaluation.ranking is None or not evaluation.without_auroc:
        return None
    count, total = evaluation.without_auroc, evaluation.classes.shape[1]
    return (
        f"AUROC over {total - count:,} of {total:,} classes: no image, or every image, "
        "is of the others"
    )
