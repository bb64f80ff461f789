"""Classification of frozen features by their nearest neighbours.

Cosine similarity and weights as in Wu et al. 2018 (arXiv:1805.01978) and DINO
(arXiv:2104.14294).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.intervals import columns
from keras_vit.evaluation.parts import Part
from keras_vit.renamed import OldName

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context

NEIGHBOURS = (1, 5, 10, 20, 50, 100, 200)
TEMPERATURE = 0.07
AT_ONCE = 2**24  # similarities in memory
Vote = Literal["weighted", "plain"]
VOTES = {
    "weighted": lambda similarities: np.exp((similarities - 1) / TEMPERATURE),
    "plain": np.ones_like,
}


@dataclass(frozen=True)
class Neighbours:
    """The classes of N test images by their nearest training images.

    Attributes:
        counts: how many neighbours vote, k, in C numbers.
        predictions: by the name of a vote, `(C, N)` classes.
        labels: the class of each test image, `(N,)`.
    """

    counts: tuple[int, ...]
    predictions: dict[str, np.ndarray]
    labels: np.ndarray

    def correct(self, vote: Vote = "weighted") -> np.ndarray:
        """Return whether each prediction is correct, `(C, N)`."""
        return self.predictions[vote] == self.labels

    def accuracy(self, vote: Vote = "weighted") -> np.ndarray:
        """Return the accuracy by each number of neighbours, `(C,)`."""
        return self.correct(vote).mean(1)

    answers, right = OldName("predictions"), OldName("correct")


def neighbours(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    num_classes: int,
    counts: Sequence[int] = NEIGHBOURS,
) -> Neighbours:
    """Classify features by the k training images with the most similar ones.

    Similarity s is the cosine of the angle between features. In a weighted
    vote a neighbour counts exp(s / 0.07), in a plain one 1; of classes with
    equal votes, the one with the smaller number is predicted.

    Similarities are computed for some test images at a time.

    Args:
        train: features `(M, D)` and classes `(M,)` of training images.
        test: features `(N, D)` and classes `(N,)` of others.
        num_classes: K.
        counts: how many neighbours vote, each at most M.

    Returns:
        `Neighbours`.

    Raises:
        ValueError: for more neighbours than training images.

    Example:

    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> neighbours((x, np.array([0, 0, 1])), (x, np.array([0, 0, 1])), 2,
    ...            counts=(1, 2)).accuracy()
    array([1., 1.])
    """
    (kept, labels), (queries, expected) = train, test
    if not 1 <= min(counts) <= max(counts) <= len(labels):
        raise ValueError(
            f"Expected from 1 to {len(labels)} neighbours, the training images. "
            f"Received: {tuple(counts)}"
        )
    kept, queries = _of_length_one(kept), _of_length_one(queries)
    shape = len(counts), len(queries)
    predictions = {vote: np.empty(shape, np.int64) for vote in VOTES}
    step = max(AT_ONCE // len(kept), 1)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        nearest, similarities = _nearest(queries[part], kept, max(counts))
        for vote, weigh in VOTES.items():
            weights = weigh(similarities.astype(np.float64))
            predictions[vote][:, part] = _by_vote(
                labels[nearest], weights, num_classes, counts
            )
    return Neighbours(tuple(counts), predictions, expected)


def _of_length_one(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12), np.float32)


def _nearest(
    queries: np.ndarray, kept: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest to each of B, `(B, count)`, the most similar first."""
    similarities = queries @ kept.T
    nearest = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
    similarities = np.take_along_axis(similarities, nearest, axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")
    nearest, similarities = (
        np.take_along_axis(one, order, axis=1) for one in (nearest, similarities)
    )
    return nearest, similarities


def _by_vote(
    labels: np.ndarray, weights: np.ndarray, num_classes: int, counts: Sequence[int]
) -> np.ndarray:
    """The class with the most votes of the first k neighbours, for each k."""
    votes = np.zeros((len(labels), num_classes))
    rows, done, best = np.arange(len(labels))[:, np.newaxis], 0, {}
    for count in sorted(counts):
        np.add.at(votes, (rows, labels[:, done:count]), weights[:, done:count])
        best[count], done = votes.argmax(1), count
    return np.stack([best[count] for count in counts])


def neighbours_part(context: Context) -> Part:
    """Return a `Part` of the accuracy by how many neighbours vote, and how."""
    train = context.features_and_labels("train")
    counts = [count for count in NEIGHBOURS if count <= len(train[1])]
    found = neighbours(
        train, context.features_and_labels("test"), context.dataset.num_classes, counts
    )
    votes: tuple[Vote, ...] = ("weighted", "plain")
    rows = [
        {"neighbours": count, "vote": vote} | columns("accuracy", correct)
        for vote in votes
        for count, correct in zip(found.counts, found.correct(vote), strict=True)
    ]
    title = "top-1 in % by neighbours, weighted vote: " + ", ".join(
        f"{row['neighbours']}: {100 * row['accuracy']:.2f}"
        for row in rows
        if row["vote"] == "weighted"
    )
    drawn = {"neighbours": lambda: figures.neighbours(rows)}
    return Part("neighbours", title, tuple(rows), drawn)
