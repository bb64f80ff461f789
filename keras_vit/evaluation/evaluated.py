"""The numbers of a split that was evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_vit.evaluation.intervals import share_interval
from keras_vit.evaluation.mistakes import Mistakes
from keras_vit.evaluation.ranking import Ranking, mean_of_defined
from keras_vit.renamed import OldName

MOST_CONFUSED = 4096  # classes, beyond which no confusion matrix is kept
FEW_CLASSES = 5  # of which five predictions are all there are


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return a share of each of some counts; NaN where the whole is 0.

    Example:

    >>> ratio(np.array([1, 0]), np.array([4, 0]))
    array([0.25,  nan])
    """
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def none_if_nan(value: float) -> float | None:
    """Return a float; `None` for NaN, which JSON does not have."""
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a model's predictions of a split are.

    Attributes:
        count: the images, all of the split's.
        loss: the mean cross-entropy, in nats.
        top1: the share of images whose class, or one of whose classes, has
            the largest logit.
        top5: the share of images with such a class among the five largest; of five
            classes or fewer it says nothing, and `has_top5` is false.
        classes: `(3, K)` counts of images for each class: those that have it,
            those for which it is predicted, and those with both. Where an
            image can have several classes, all whose probability is above one
            half are predicted.
        confusion: `(K, K)` counts; a row is a true class, a column a prediction.
            `None` for multi-label images, or more than `MOST_CONFUSED` classes.
        ranking: how well each class's scores order the images, a `Ranking`;
            `None` for an evaluation that kept no logits.
        mistakes: which images are predicted as another class, `Mistakes`; `None`
            for multi-label images, or where other workers have seen some.
    """

    count: int
    loss: float
    top1: float
    top5: float
    classes: np.ndarray
    confusion: np.ndarray | None = None
    ranking: Ranking | None = None
    mistakes: Mistakes | None = None

    several = OldName("multi_label")

    @property
    def multi_label(self) -> bool:
        """Whether an image can have several classes, or none."""
        ranking = self.ranking
        return ranking is not None and ranking.average_precision is not None

    @property
    def binary(self) -> bool:
        """Whether an image has one class of two, of which the second is asked for."""
        return self.confusion is not None and len(self.confusion) == 2

    @property
    def auroc(self) -> float | None:
        """The mean area under the ROC curve, over the classes that have one.

        Each class against all others; of two, both are alike. `None` if no
        class has one, or no logits were kept.
        """
        return None if self.ranking is None else mean_of_defined(self.ranking.auroc)

    @property
    def without_auroc(self) -> int:
        """The number of classes without such an area: of no image, or of all."""
        return 0 if self.ranking is None else int(np.isnan(self.ranking.auroc).sum())

    @property
    def mean_average_precision(self) -> float | None:
        """The mean over the classes that have images, where images can have several.

        `None` else, or if no class has images, or no logits were kept.
        """
        precisions = None if self.ranking is None else self.ranking.average_precision
        return None if precisions is None else mean_of_defined(precisions)

    @property
    def sensitivity(self) -> float | None:
        """The share of a binary set's second class that is found; else `None`."""
        return none_if_nan(self.class_accuracy[1]) if self.binary else None

    @property
    def specificity(self) -> float | None:
        """The share of a binary set's first class that is found; else `None`."""
        return none_if_nan(self.class_specificity[1]) if self.binary else None

    @property
    def class_specificity(self) -> np.ndarray:
        """The share of the images without a class that are not predicted so, `(K,)`.

        NaN for a class that all images have.
        """
        shown, predicted, both = self.classes
        others = self.count - shown
        return ratio(others - (predicted - both), others)

    @property
    def has_top5(self) -> bool:
        """Whether there are more than five classes, so that `top5` means something."""
        return self.num_classes > FEW_CLASSES

    @property
    def num_classes(self) -> int:
        """The number of classes, K."""
        return self.classes.shape[1]

    @property
    def majority_share(self) -> float:
        """The share of the images that have the most frequent class.

        It is the accuracy of a model that always predicts this class.
        """
        return int(self.classes[0].max()) / self.count

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95 % intervals of the shares, by name (see `intervals.share_interval`).

        They are `top1`, `top5` if the evaluation has it, and of a binary set's
        `sensitivity` and `specificity` those that are defined.
        """
        top1, top5 = (round(share * self.count) for share in (self.top1, self.top5))
        shares = {"top1": (top1, self.count)}
        if self.has_top5:
            shares["top5"] = top5, self.count
        if self.binary:
            (first, second), _, (true_first, true_second) = self.classes
            shares["sensitivity"] = int(true_second), int(second)
            shares["specificity"] = int(true_first), int(first)
        return {
            name: share_interval(correct, total)
            for name, (correct, total) in shares.items()
            if total
        }

    @property
    def class_intervals(self) -> list[tuple[float, float] | None]:
        """The 95 % interval of each accuracy in `class_accuracy`; `None` for NaN."""
        shown, _, both = self.classes
        return [
            share_interval(int(correct), int(total)) if total else None
            for correct, total in zip(both, shown, strict=True)
        ]

    @property
    def accuracy(self) -> float:
        """The accuracy, which is `top1`."""
        return self.top1

    @property
    def class_accuracy(self) -> np.ndarray:
        """The share of each class's images for which it is predicted, `(K,)`.

        NaN for a class without images.
        """
        shown, _, both = self.classes
        return ratio(both, shown)

    @property
    def f1(self) -> np.ndarray:
        """Of each class, the harmonic mean of precision and recall, `(K,)`.

        NaN for a class that no image has and none is predicted to have.
        """
        shown, predicted, both = self.classes
        return ratio(2 * both, shown + predicted)

    @property
    def macro_f1(self) -> float:
        """The mean of `f1` over the classes for which it is defined."""
        return float(np.nanmean(self.f1)) if self.classes[:2].any() else 0.0
