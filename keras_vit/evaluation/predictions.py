"""A model's logits for a whole split, computed once for all that is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_vit.classifier import Classifier, Source
from keras_vit.evaluation.inputs import DataInput, opened
from keras_vit.evaluation.outputs import outputs_of
from keras_vit.logits import ends_in_softmax
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import OldName, renamed_arguments

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.data.labelled import Labelled

AT_ONCE = 1_000_000  # logits, where more is computed of them


@dataclass(frozen=True)
class Predictions:
    """A model's logits for each image of a split, and the labels.

    Attributes:
        logits: `(N, K)` float32.
        labels: the class of each image, `(N,)`; or zeros and ones `(N, K)`.
        activation: `"softmax"` or `"sigmoid"`: how logits become probabilities.

    Example:

    >>> logits = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]], np.float32)
    >>> Predictions(logits, np.array([0, 1])).correct().tolist()
    [True, False]
    """

    logits: np.ndarray
    labels: np.ndarray
    activation: Literal["softmax", "sigmoid"] = "softmax"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def multi_label(self) -> bool:
        """Whether an image can have several classes, or none."""
        return self.labels.ndim == 2

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return self.logits.shape[1]

    def argmax(self) -> np.ndarray:
        """Return the class with the largest logit of each image, `(N,)`."""
        return self.logits.argmax(1)

    def correct(self, top: int = 1) -> np.ndarray:
        """Return whether the class, or one of the classes, is among the `top` largest.

        Of equal logits, that of the class with the smaller number counts as
        the larger one.

        Args:
            top: how many predictions each image has.

        Returns:
            `(N,)` booleans.
        """
        parts = [_correct(one.logits, one.labels, top) for one in self.parts()]
        return np.concatenate(parts)

    def targets(self) -> np.ndarray:
        """Return zeros and ones, `(N, K)`: which classes each image has."""
        if self.multi_label:
            return self.labels
        return one_hot(self.labels, self.num_classes)

    def probabilities(self) -> np.ndarray:
        """Return probabilities, `(N, K)` float64; of many images, use `parts`."""
        return _PROBABILITIES[self.activation](self.logits.astype(np.float64))

    def divided(self, temperature: float) -> Predictions:
        """Return predictions whose logits are divided by a temperature."""
        logits = self.logits / np.float32(temperature)
        return Predictions(logits, self.labels, self.activation)

    def subset(self, indices: np.ndarray | slice) -> Predictions:
        """Return the predictions of some images."""
        return Predictions(self.logits[indices], self.labels[indices], self.activation)

    def parts(self) -> Iterator[Predictions]:
        """Yield the predictions of a few images at a time, in order."""
        step = max(AT_ONCE // self.num_classes, 1)
        for start in range(0, len(self), step):
            yield self.subset(slice(start, start + step))

    several, loss = OldName("multi_label"), OldName("activation")
    best, right = OldName("argmax"), OldName("correct")


def one_hot(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Return zeros and a one for each image, `(N, K)`."""
    targets = np.zeros((len(classes), num_classes))
    targets[np.arange(len(classes)), classes] = 1
    return targets


def log_sum(logits: np.ndarray) -> np.ndarray:
    """Return what each image's logits are above its log-probabilities, `(N,)`.

    Example:

    >>> log_sum(np.log([[1.0, 2.0, 5.0]])).round(6) == np.log(8).round(6)
    array([ True])
    """
    largest = logits.max(1)
    return largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(1))


def _softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits - log_sum(logits)[:, np.newaxis])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -logits))


_PROBABILITIES = {"softmax": _softmax, "sigmoid": _sigmoid}


def _correct(logits: np.ndarray, labels: np.ndarray, top: int) -> np.ndarray:
    if labels.ndim == 2:
        best = np.argsort(-logits, axis=1, kind="stable")[:, :top]
        return np.asarray(np.take_along_axis(labels, best, axis=1).any(1))
    own = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)
    smaller = np.arange(logits.shape[1]) < labels[:, np.newaxis]
    before = (logits > own) | ((logits == own) & smaller)
    return np.asarray(before.sum(1) < top)


@renamed_arguments(split="data")
def predictions_of(
    model: Source,
    data: DataInput,
    batch_size: int = 200,
    preprocessing: Preprocessing | str | None = None,
    strategy: Strategy | str | None = None,
) -> Predictions:
    """Compute a classifier's logits for a whole split, each image once.

    Args:
        model: as `evaluate` takes it.
        data: as `evaluate` takes it.
        batch_size: images at a time. It does not change the result.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.

    Returns:
        `Predictions`, whose classes are in the order of the data set's.

    Raises:
        TypeError: if `model` or `data` is none of these.
        ValueError: if the data has other classes than the model (see
            `keras_vit.evaluation.inputs.class_order`), if a label is not one of
            them, for an unknown preprocessing or strategy, one of several
            workers, or a served model under a strategy.
        FloatingPointError: if a logit is not finite.
    """
    inputs = opened(model, data, preprocessing)
    found = predicted(
        inputs.classifier, inputs.split, batch_size=batch_size, strategy=strategy
    )
    return inputs.in_order(found)


def predicted(
    classifier: Classifier,
    split: Labelled,
    *,
    batch_size: int = 200,
    strategy: Strategy | str | None = None,
) -> Predictions:
    """Compute `Predictions` of a split whose classes are the classifier's."""
    split.check_classes(classifier.num_classes)
    logits = outputs_of(
        classifier.model,
        split,
        classifier.preprocessing,
        batch_size=batch_size,
        strategy=strategy,
    )
    activation = classifier.activation
    multi_label = split.labels.ndim == 2
    if multi_label and activation == "softmax" and ends_in_softmax(classifier.model):
        logits = _of_each_class(logits)
    activation = "sigmoid" if multi_label else activation
    return Predictions(logits, split.labels, activation)


def reordered(predictions: Predictions, order: np.ndarray | None) -> Predictions:
    """Return predictions with their classes in another order, `(K,)`, if any."""
    if order is None:
        return predictions
    return dataclasses.replace(predictions, logits=predictions.logits[:, order])


def _of_each_class(logits: np.ndarray) -> np.ndarray:
    """The logits whose sigmoids are the softmax of these, `(N, K)`."""
    p = _softmax(logits.astype(np.float64))
    least = np.finfo(np.float32).tiny
    odds = np.maximum(p, least) / np.maximum(1 - p, least)
    return np.log(odds).astype(np.float32)
