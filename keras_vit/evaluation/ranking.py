"""How well scores put the images of a class before the others."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ranking:
    """Of each class, how well its scores order images; NaN where that is undefined.

    Attributes:
        auroc: the area under the receiver operating characteristic, `(K,)`: the
            chance that an image of the class has a higher score than one that
            is not, where equal scores count one half. Undefined of a class
            that no image shows, or that every image shows.
        average_precision: `(K,)`, where an image can have several classes;
            undefined of a class that no image shows. `None` else.
    """

    auroc: np.ndarray
    average_precision: np.ndarray | None = None


def ranking(answers):
    """The `Ranking` of `Answers`: by probability, one class against all others.

    It sorts the images once a class: of 50,000 images and 1,000 classes in
    seconds, and in the memory of one column.

    Example:

    >>> from keras_vit.evaluation import Answers
    >>> logits = np.array([[2.0, 1.0], [0.0, 1.0], [0.0, 4.0]], np.float32)
    >>> ranking(Answers(logits, np.array([0, 1, 1]))).auroc.tolist()
    [1.0, 1.0]
    """
    total = None if answers.loss == "sigmoid" else _log_sums(answers)
    areas = np.empty(answers.num_classes)
    precisions = np.full(answers.num_classes, np.nan)
    for number in range(answers.num_classes):
        scores = answers.logits[:, number].astype(np.float64)
        if total is not None:
            scores -= total
        shown = _shown(answers, number)
        areas[number] = auroc(scores, shown)
        if answers.several and shown.any():
            precisions[number] = average_precision(scores, shown)
    return Ranking(areas, precisions if answers.several else None)


def auroc(scores, labels):
    """The area under the ROC curve: `(N,)` scores, and which are to be high.

    By ranks (Mann and Whitney 1947), equal scores sharing theirs. NaN if all
    labels are alike.

    Example:

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    positive = scores[np.asarray(labels, bool)]
    count, others = len(positive), len(scores) - len(positive)
    if not count or not others:
        return float("nan")
    ordered = np.sort(scores)
    below = np.searchsorted(ordered, positive, "left")
    up_to = np.searchsorted(ordered, positive, "right")
    ranks = (below + up_to + 1) / 2
    return float((ranks.sum() - count * (count + 1) / 2) / (count * others))


def average_precision(scores, labels):
    """The average precision of one class: `(N,)` scores, zeros and ones.

    As VOC 2010 and COCO have it: images are put in the order of their scores;
    the precision at each image of the class, the last of equal ones, is
    averaged over those images.

    Example:

    >>> average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.8333333333333333
    """
    order = np.argsort(-scores, kind="stable")
    scores, labels = scores[order], labels[order]
    last = np.append(np.diff(scores) != 0, True)  # of equal ones
    found = labels.cumsum()[last]
    precision = found / (np.flatnonzero(last) + 1)
    return float((np.diff(found, prepend=0) * precision).sum() / labels.sum())


def mean_of_defined(values):
    """The mean of the values that are not NaN; `None` if all are.

    Example:

    >>> mean_of_defined(np.array([0.5, np.nan, 1.0]))
    0.75
    """
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def _shown(answers, number):
    labels = answers.labels
    return labels[:, number] > 0 if answers.several else labels == number


def _log_sums(answers):
    """What a logit is above the logarithm of its probability, `(N,)`."""
    return np.concatenate([_log_sum(one.logits) for one in answers.parts()])


def _log_sum(logits):
    logits = logits.astype(np.float64)
    largest = logits.max(1)
    return largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(1))
