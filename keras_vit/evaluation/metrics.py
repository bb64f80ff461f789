"""Whole-set metrics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_vit.classifier import Source
from keras_vit.evaluation.inputs import DataInput
from keras_vit.evaluation.intervals import share_interval
from keras_vit.evaluation.mistakes import Mistakes, mistakes_of
from keras_vit.evaluation.predictions import Predictions, one_hot, predictions_of
from keras_vit.evaluation.ranking import Ranking, mean_of_defined, ranking
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import OldName, old_names, renamed_arguments

if TYPE_CHECKING:
    from keras_vit.compat import Strategy

MOST_CONFUSED = 4096  # classes, beyond which no confusion matrix is kept
FEW_CLASSES = 5  # of which five predictions are all there are


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
        return _number(self.class_accuracy[1]) if self.binary else None

    @property
    def specificity(self) -> float | None:
        """The share of a binary set's first class that is found; else `None`."""
        return _number(self.class_specificity[1]) if self.binary else None

    @property
    def class_specificity(self) -> np.ndarray:
        """The share of the images without a class that are not predicted so, `(K,)`.

        NaN for a class that all images have.
        """
        shown, predicted, both = self.classes
        others = self.count - shown
        correct = others - (predicted - both)
        return np.where(others > 0, correct / np.maximum(others, 1), np.nan)

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
        return np.where(shown > 0, both / np.maximum(shown, 1), np.nan)

    @property
    def f1(self) -> np.ndarray:
        """Of each class, the harmonic mean of precision and recall, `(K,)`.

        NaN for a class that no image has and none is predicted to have.
        """
        shown, predicted, both = self.classes
        sum_ = shown + predicted
        return np.where(sum_ > 0, 2 * both / np.maximum(sum_, 1), np.nan)

    @property
    def macro_f1(self) -> float:
        """The mean of `f1` over the classes for which it is defined."""
        return float(np.nanmean(self.f1)) if self.classes[:2].any() else 0.0


class MetricSums:
    """Sums over the images seen so far, of which an `Evaluation` is made.

    Args:
        num_classes: K.
        activation: `"softmax"` or `"sigmoid"`, as the model was trained.
        multi_label: whether an image can have several classes, its labels being
            zeros and ones.
        keep_logits: whether logits are kept, for the `Ranking` of `whole`.

    Attributes:
        numbers: all sums as one vector, so that those of several objects can
            be added; the last is that of the losses.
    """

    @renamed_arguments(loss="activation", several="multi_label", keeps="keep_logits")
    def __init__(
        self,
        num_classes: int,
        activation: Literal["softmax", "sigmoid"] = "softmax",
        multi_label: bool = False,
        *,
        keep_logits: bool = False,
    ) -> None:
        self._kept: list[tuple[np.ndarray, np.ndarray]] | None = (
            [] if keep_logits else None
        )
        self._mistakes: list[Mistakes] = []
        self._seen = 0
        self.num_classes, self.multi_label = num_classes, multi_label
        self.activation: Literal["softmax", "sigmoid"] = activation
        has_confusion = num_classes <= MOST_CONFUSED and not multi_label
        lengths = (3, 3 * num_classes, num_classes**2 if has_confusion else 0, 1)
        self.numbers = np.zeros(sum(lengths))
        parts = np.split(self.numbers, np.cumsum(lengths[:-1]))  # views of it
        self._images, classes, confusion, self._losses = parts
        self._classes = classes.reshape(3, num_classes)
        self._confusion = (
            confusion.reshape(num_classes, num_classes) if has_confusion else None
        )

    several, loss = OldName("multi_label"), OldName("activation")

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Count some images.

        Args:
            logits: `(B, K)`.
            labels: `(B,)`, or zeros and ones `(B, K)`.

        Raises:
            FloatingPointError: if a logit is not finite.
        """
        logits = np.asarray(logits, np.float64)
        if not np.isfinite(logits).all():
            raise FloatingPointError(
                "Expected finite logits of the model. Received: NaN or infinity"
            )
        predictions = Predictions(logits, labels, self.activation)
        if self._kept is not None:
            self._kept.append((logits.astype(np.float32), labels))
        if not self.multi_label:
            self._mistakes.append(mistakes_of(predictions, first=self._seen))
        self._seen += len(labels)
        best, targets = predictions.argmax(), predictions.targets()
        if self._confusion is not None:
            np.add.at(self._confusion, (labels, best), 1)
        predicted = logits > 0 if self.multi_label else one_hot(best, self.num_classes)
        both = targets * predicted
        self._classes += np.stack([targets.sum(0), predicted.sum(0), both.sum(0)])
        top1, top5 = (predictions.correct(top).sum() for top in (1, 5))
        self._images += np.array([len(labels), top1, top5])
        self._losses += LOSSES[self.activation](logits, targets).sum()

    def result(self) -> Evaluation:
        """Return the `Evaluation` of what has been seen."""
        count, top1, top5 = self._images
        confusion = self._confusion
        return Evaluation(
            count=int(count),
            loss=float(self._losses[0] / count),
            top1=float(top1 / count),
            top5=float(top5 / count),
            classes=self._classes.astype(np.int64),
            confusion=None if confusion is None else confusion.astype(np.int64),
        )

    def whole(self) -> Evaluation:
        """Return the `Evaluation`, with its `Mistakes`, and a `Ranking` of kept logits.

        Without either where other workers have seen a part of the images.
        """
        found = self.result()
        if self._seen != found.count:
            return found
        if self._mistakes:
            found = replace(found, mistakes=Mistakes.joined(self._mistakes))
        if not self._kept:
            return found
        logits, labels = (np.concatenate(one) for one in zip(*self._kept, strict=True))
        kept = Predictions(logits, labels, self.activation)
        return replace(found, ranking=ranking(kept))


@renamed_arguments(split="data")
def evaluate(
    model: Source,
    data: DataInput,
    batch_size: int = 200,
    preprocessing: Preprocessing | str | None = None,
    strategy: Strategy | str | None = None,
) -> Evaluation:
    """Evaluate a classifier on a whole split, its last partial batch included.

    Args:
        model: a Keras model of logits or probabilities of K classes, or of one
            output (see `keras_vit.logits.logits_model`); the path of a run's
            folder, a `.keras` file or a SavedModel; or a
            `keras_vit.classifier.Classifier`.
        data: a data set's name, a path or a `keras_vit.data.Dataset`, of which
            the test split is evaluated; one of its splits, such as
            `dataset.validation`; or `(images, labels)`.
        batch_size: images at a time. It does not change the result.
        preprocessing: how images of other sizes become the model's: a
            `keras_vit.preprocessing.Preprocessing`, or text such as
            `"timm:0.9"`. The model's own by default.
        strategy: a name that `keras_vit.distribution.strategy` knows, or a
            `tf.distribute.Strategy`. One device by default.

    Returns:
        An `Evaluation`, whose classes are in the order of the data set's: where
        the model has the same names in another order, its logits are put in
        this one.

    Raises:
        TypeError: if `model` or `data` is none of these, such as a
            tf.data.Dataset.
        ValueError: if the data has other classes than the model, a label is not
            one of them, or for an unknown preprocessing or strategy.
        FloatingPointError: if a logit is not finite.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> evaluate(model, "fashion_mnist_sample").count
    2000
    """
    return evaluation_of(
        predictions_of(model, data, batch_size, preprocessing, strategy)
    )


def evaluation_of(predictions: Predictions) -> Evaluation:
    """Return the `Evaluation` of `Predictions`."""
    sums = MetricSums(
        predictions.num_classes, predictions.activation, predictions.multi_label
    )
    for part in predictions.parts():
        sums.add(part.logits, part.labels)
    return replace(sums.whole(), ranking=ranking(predictions))


def loss_of(predictions: Predictions) -> float:
    """Return the mean cross-entropy of `Predictions`, in nats."""
    loss = LOSSES[predictions.activation]
    parts = [
        loss(one.logits.astype(np.float64), one.targets())
        for one in predictions.parts()
    ]
    return float(np.concatenate(parts).mean())


def _number(value: float) -> float | None:
    """A float; `None` for NaN."""
    return None if np.isnan(value) else float(value)


def _softmax(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    largest = logits.max(1)
    log_sum = largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(1))
    return targets.sum(1) * log_sum - (targets * logits).sum(1)


def _sigmoid(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return (np.logaddexp(0, logits) - targets * logits).sum(1)


LOSSES = {"softmax": _softmax, "sigmoid": _sigmoid}
__getattr__ = old_names(__name__, Tally="MetricSums")
