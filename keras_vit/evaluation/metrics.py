"""Whole-set metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_vit.classifier import Source
from keras_vit.evaluation.evaluated import MOST_CONFUSED, Evaluation
from keras_vit.evaluation.inputs import DataInput
from keras_vit.evaluation.mistakes import Mistakes, mistakes_of
from keras_vit.evaluation.outputs import finite
from keras_vit.evaluation.predictions import (
    Predictions,
    log_sum,
    one_hot,
    predictions_of,
)
from keras_vit.evaluation.ranking import ranking
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import OldName, old_names, renamed_arguments

if TYPE_CHECKING:
    from keras_vit.compat import Strategy


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
        logits = finite(np.asarray(logits, np.float64), "logits")
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


def _softmax(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return targets.sum(1) * log_sum(logits) - (targets * logits).sum(1)


def _sigmoid(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return (np.logaddexp(0, logits) - targets * logits).sum(1)


LOSSES = {"softmax": _softmax, "sigmoid": _sigmoid}
__getattr__ = old_names(__name__, Tally="MetricSums")
