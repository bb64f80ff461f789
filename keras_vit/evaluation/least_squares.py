"""Few-shot classification of frozen features by linear least squares.

Section 4.1 of the ViT paper ("few-shot accuracies"), with the numbers of
big_vision's `evaluators/fewshot_lsr.py`, which its authors' results come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.features import lacks
from keras_vit.evaluation.intervals import columns
from keras_vit.evaluation.parts import Part
from keras_vit.renamed import OldName

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context

SHOTS = (1, 5, 10, 25)  # training images of each class
SEEDS = (0, 1, 2)
L2 = 2.0**10
L2_GRID = tuple(2.0**power for power in range(-10, 21, 2))
BIAS = 100.0  # the constant feature, regularised as the others are
EPSILON = 1e-5  # beside deviations
AT_ONCE = 4096  # images that are classified


class LeastSquares:
    """Regularised least squares in closed form, for any regularisation.

    W = (X^T X + l2 I)^-1 X^T Y, or, where features outnumber the images, the
    equal X^T (X X^T + l2 I)^-1 Y. Either matrix is taken apart once, into
    eigenvectors, after which every value of l2 costs a product.

    N images, D features, K targets. The features are standardised by the mean
    and the deviation of the N images, and get a constant one beside them.

    Args:
        features: X, `(N, D)`.
        targets: Y, `(N, K)`.

    Example:

    >>> x = np.array([[1.0], [2.0], [3.0]])
    >>> fit = LeastSquares(x, 2 * x - 1)
    >>> fit.scores(np.array([[4.0]]), l2=1e-6).round(3)
    array([[7.]])
    """

    def __init__(self, features: np.ndarray, targets: np.ndarray) -> None:
        x = np.asarray(features, np.float64)
        self._mean, self._deviation = x.mean(0), x.std(0) + EPSILON
        x = self._standardised(x)
        if len(x) < x.shape[1]:
            self._spectrum, vectors = np.linalg.eigh(x @ x.T)
            self._basis, self._targets = x.T @ vectors, vectors.T @ targets
        else:
            self._spectrum, vectors = np.linalg.eigh(x.T @ x)
            self._basis, self._targets = vectors, vectors.T @ (x.T @ targets)

    def weights(self, l2: float = L2) -> np.ndarray:
        """Return W `(D + 1, K)`, the constant feature's last."""
        return self._basis @ self._in_basis(l2)

    def scores(self, features: np.ndarray, l2: float = L2) -> np.ndarray:
        """Return the predictions for other images `(M, D)`: `(M, K)`."""
        return self._standardised(features) @ self.weights(l2)

    def argmax(self, features: np.ndarray, grid: Sequence[float]) -> np.ndarray:
        """Return the class with the largest score, for each l2 of a grid, `(L, M)`."""
        solved = [self._in_basis(l2) for l2 in grid]
        found = np.empty((len(solved), len(features)), np.int64)
        for start in range(0, len(features), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            projected = self._standardised(features[part]) @ self._basis
            for row, weights in zip(found, solved, strict=True):
                row[part] = (projected @ weights).argmax(1)
        return found

    def _in_basis(self, l2: float) -> np.ndarray:
        return self._targets / (self._spectrum + l2)[:, np.newaxis]

    def _standardised(self, features: np.ndarray) -> np.ndarray:
        x = (np.asarray(features, np.float64) - self._mean) / self._deviation
        return np.pad(x, [(0, 0), (0, 1)], constant_values=BIAS)


@dataclass(frozen=True)
class FewShot:
    """Which test images are classified correctly after few training images.

    S numbers of shots, R seeds, L values of l2, N test images.

    Attributes:
        shots: training images of each class, S numbers.
        seeds: of the choice of these images, R numbers.
        l2: the regularisation, L numbers.
        correct: `(S, R, L, N)` booleans.
    """

    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    l2: tuple[float, ...]
    correct: np.ndarray

    right = OldName("correct")

    @property
    def accuracy(self) -> np.ndarray:
        """The accuracy for each of `shots`, `seeds` and `l2`, `(S, R, L)`."""
        return self.correct.mean(-1)

    @property
    def mean(self) -> np.ndarray:
        """The mean accuracy over the seeds, `(S, L)`."""
        return self.accuracy.mean(1)

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation of the accuracy over the seeds, `(S, L)`.

        By R - 1; 0 for one seed, which says nothing of others.
        """
        several = len(self.seeds) > 1
        return self.accuracy.std(1, ddof=1) if several else 0 * self.mean


def first_of_each_class(
    labels: np.ndarray, num_classes: int, seed: int
) -> list[np.ndarray]:
    """Draw an order for the images of each class, of which few shots are the first.

    Args:
        labels: the class of each image, `(N,)`.
        num_classes: K.
        seed: of the order.

    Returns:
        K arrays of indices. That of one shot is among those of five.
    """
    draws = np.random.default_rng(seed)
    return [
        draws.permutation(np.flatnonzero(labels == one)) for one in range(num_classes)
    ]


def missing_class(labels: np.ndarray, num_classes: int) -> int | None:
    """Return the first class without images; `None` if there is none.

    Example:

    >>> missing_class(np.array([0, 2, 3]), 4)
    1
    """
    counts = np.bincount(labels, minlength=num_classes)
    return None if counts.all() else int(counts.argmin())


def few_shot(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    num_classes: int,
    shots: Sequence[int] = SHOTS,
    seeds: Sequence[int] = SEEDS,
    *,
    l2: Sequence[float] = (L2,),
) -> FewShot:
    """Classify features after a few training images of each class.

    Targets are 1 for an image's class and -1 for the others; the class with the
    largest score is predicted. Of a class with fewer images, all are taken.

    Args:
        train: features `(M, D)` and classes `(M,)` of training images.
        test: features `(N, D)` and classes `(N,)` of others.
        num_classes: K.
        shots: training images of each class.
        seeds: of the choice of these images.
        l2: the regularisation, a number or more of them.

    Returns:
        A `FewShot`.

    Raises:
        ValueError: if a class has no training image.

    Example:

    >>> x, y = np.random.default_rng(0).normal(size=(40, 8)), np.arange(40) % 2
    >>> x[y == 1] += 4
    >>> few_shot((x, y), (x, y), 2, shots=(5,)).mean
    array([[1.]])
    """
    features, labels = train
    missing = missing_class(labels, num_classes)
    if missing is not None:
        raise ValueError(
            f"Expected training images of each class. Received: none of class {missing}"
        )
    correct = np.empty((len(shots), len(seeds), len(l2), len(test[1])), bool)
    for r, seed in enumerate(seeds):
        order = first_of_each_class(labels, num_classes, seed)
        for s, count in enumerate(shots):
            chosen = np.concatenate([one[:count] for one in order])
            targets = 2 * np.eye(num_classes)[labels[chosen]] - 1
            fit = LeastSquares(features[chosen], targets)
            correct[s, r] = fit.argmax(test[0], l2) == test[1]
    return FewShot(tuple(shots), tuple(seeds), tuple(l2), correct)


def lacks_few_shot(context: Context) -> str | None:
    """Return why this cannot be measured of a `Context`, if so."""
    reason, dataset = lacks(context), context.dataset
    if reason is not None:
        return reason
    missing = missing_class(dataset.train.labels, dataset.num_classes)
    if missing is not None:
        return f"there are no training images of {dataset.class_names[missing]!r}"
    return None


def few_shot_part(context: Context) -> Part:
    """Return a `Part` of the accuracy after few training images of each class.

    The first rows are those of the published l2, `L2`; the others show how much
    the choice of l2 matters.
    """
    found = few_shot(
        context.features_and_labels("train"),
        context.features_and_labels("test"),
        context.dataset.num_classes,
        SHOTS,
        [context.seed + seed for seed in SEEDS],
        l2=L2_GRID,
    )
    rows = tuple(_rows(found, context.seed))
    best = [row for row in rows if row["l2"] == L2]
    accuracies = ", ".join(
        f"{row['shots']}: {100 * row['accuracy']:.1f} ± {100 * row['deviation']:.1f}"
        for row in best
    )
    title = (
        f"top-1 in % by training images of each class ({len(SEEDS)} seeds): "
        f"{accuracies}"
    )
    drawn = {"few_shot": lambda: figures.few_shot(rows, L2)}
    return Part("few_shot", title, rows, drawn)


def _rows(found: FewShot, seed: int) -> Iterator[dict[str, Any]]:
    places = sorted(range(len(found.l2)), key=lambda place: found.l2[place] != L2)
    for place in places:  # the published one first
        for s, shots in enumerate(found.shots):
            accuracy = columns("accuracy", found.correct[s, :, place].mean(0), seed)
            yield {
                "shots": shots,
                "l2": found.l2[place],
                "seeds": len(found.seeds),
                "accuracy": accuracy.pop("accuracy"),
                "deviation": float(found.deviation[s, place]),
                **accuracy,
            }
