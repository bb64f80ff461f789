"""Which images are predicted as another class than theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_vit.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Mistakes:
    """The images of a split, of one class each, that are predicted as another one.

    Attributes:
        indices: of the images in the split, `(M,)`.
        labels: their classes, `(M,)`.
        predicted: the classes that are predicted, `(M,)`.
        margins: the logit of the predicted class less that of their own, `(M,)`.
    """

    indices: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    margins: np.ndarray

    def of_pair(self, label: int, predicted: int, count: int) -> list[int]:
        """Find images of one class that are predicted as another.

        Returns:
            Their indices in the split, at most `count`, the most confident mistakes
            first.
        """
        mine = (self.labels == label) & (self.predicted == predicted)
        order = np.argsort(-self.margins[mine], kind="stable")
        return self.indices[mine][order][:count].tolist()

    def pairs(self, count: int) -> list[tuple[int, int, int]]:
        """Return the pairs of classes that are confused most often.

        Args:
            count: the most pairs to return.

        Returns:
            `(true class, predicted class, images)`, the most frequent first.

        Example:

        >>> from keras_vit.evaluation import Predictions, evaluation_of
        >>> logits = np.eye(3, dtype=np.float32)[[0, 1, 1, 2]]
        >>> found = evaluation_of(Predictions(logits, np.array([0, 2, 2, 1])))
        >>> found.mistakes.pairs(5)
        [(2, 1, 2), (1, 2, 1)]
        """
        return pairs(self.labels, self.predicted)[:count]

    @classmethod
    def joined(cls, parts: Sequence[Mistakes]) -> Mistakes:
        """Return the mistakes of all parts of a split, in order."""
        columns = [[getattr(one, part.name) for one in parts] for part in fields(cls)]
        return cls(*map(np.concatenate, columns))


def pairs(labels: np.ndarray, predicted: np.ndarray) -> list[tuple[int, int, int]]:
    """Count how often each class is predicted for each class, where it ever is.

    Args:
        labels: the class of each image, `(N,)`.
        predicted: the class that is predicted, `(N,)`.

    Returns:
        `(true class, predicted class, images)` for each pair, those that differ first
        and in each case the most frequent first.

    Example:

    >>> pairs(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]))
    [(2, 1, 1), (0, 0, 1), (1, 1, 1), (2, 2, 1)]
    """
    num_classes = predicted.max(initial=0) + 1
    codes = labels.astype(np.int64) * num_classes + predicted
    codes, counts = np.unique(codes, return_counts=True)
    true, predicted = np.divmod(codes, num_classes)
    order = np.lexsort((-counts, true == predicted))
    columns = (true[order].tolist(), predicted[order].tolist(), counts[order].tolist())
    return list(zip(*columns, strict=True))


def mistakes_of(predictions: Predictions, first: int = 0) -> Mistakes:
    """Return the mistakes among predictions of images of one class each.

    Args:
        predictions: of a split, or of a part of one.
        first: the index of their first image in the split.
    """
    labels, predicted = predictions.labels, predictions.argmax()
    wrong, logits = np.flatnonzero(labels != predicted), predictions.logits
    labels, predicted = labels[wrong], predicted[wrong]
    margins = logits[wrong, predicted] - logits[wrong, labels]
    return Mistakes(wrong + first, labels, predicted, margins)
