"""Linear probes: logistic regression on frozen features.

The search for the regularisation is that of CLIP (arXiv:2103.00020, appendix
A.3): a coarse grid from strong to weak, and then ever smaller steps about the
best.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.features import lacks
from keras_vit.evaluation.intervals import columns
from keras_vit.evaluation.parts import Part
from keras_vit.evaluation.threads import threads_for
from keras_vit.renamed import OldName

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context

Labelled = tuple[np.ndarray, np.ndarray]  # features (N, D) and classes (N,)

COARSE = (6, 4, 2, 0, -2, -4, -6)  # powers of ten; warm starts go to weaker ones
FINER = (1.0, 0.5, 0.25, 0.125)  # steps about the best, in powers of ten
WORSE = 2  # so many in succession end the coarse search
ITERATIONS = 1000  # of L-BFGS, as in CLIP's linear probes
DEV_SHARE = 5  # one image in so many, where there is no validation split


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier of features, its regularisation, and how it was found.

    Attributes:
        l2: the chosen regularisation.
        searched: by each l2 that was tried, `(N_dev,)`, whether each image of
            the dev split was classified correctly.
        correct: `(N,)`, whether each test image was.
    """

    l2: float
    searched: dict[float, np.ndarray]
    correct: np.ndarray

    right = OldName("correct")

    @property
    def accuracy(self) -> float:
        """The accuracy on the test images."""
        return float(self.correct.mean())


def linear_probe(train: Labelled, dev: Labelled, test: Labelled) -> LinearProbe:
    """Fit logistic regression to features, and test it once.

    The l2 that is best on the dev split, the larger of equal ones, is taken;
    then the classifier is fitted to both splits together. Features are
    standardised by the mean and the deviation of those it is fitted to, so
    that one grid will do for all models. Nothing is drawn.

    Args:
        train: features `(M, D)` and classes `(M,)` to fit to.
        dev: others, to choose by.
        test: others, to test on.

    Returns:
        A `LinearProbe`.

    Raises:
        ValueError: if there is only one class to fit to.

    Example:

    >>> y = np.arange(60) // 20
    >>> x = np.eye(3)[y] + np.random.default_rng(0).normal(scale=0.1, size=(60, 3))
    >>> linear_probe((x[::3], y[::3]), (x[1::3], y[1::3]), (x[2::3], y[2::3])).accuracy
    1.0
    """
    classes = np.unique(train[1])
    if len(classes) < 2:
        raise ValueError(
            f"Expected training images of two classes or more. Received: {len(classes)}"
        )
    searched = _search(*train, *dev)
    l2 = max(searched, key=lambda one: (searched[one].sum(), one))
    features, labels = (np.concatenate(pair) for pair in zip(train, dev, strict=True))
    correct = _Probe(features, labels).correct(*test, l2)
    return LinearProbe(l2, searched, correct)


def _search(
    features: np.ndarray,
    labels: np.ndarray,
    dev_features: np.ndarray,
    dev_labels: np.ndarray,
) -> dict[float, np.ndarray]:
    """Whether dev images are classified correctly, by each l2 that is tried."""
    probe = _Probe(features, labels)
    tried: dict[float, np.ndarray] = {}

    def attempt(power: float) -> None:
        if power not in tried:
            tried[power] = probe.correct(dev_features, dev_labels, 10.0**power)

    for power in COARSE:
        attempt(float(power))
        # Past the best, weaker ones take more steps and are less accurate.
        counts = [correct.sum() for correct in tried.values()]
        if len(counts) > WORSE and max(counts[-WORSE:]) < max(counts):
            break
    for step in FINER:
        best = max(tried, key=lambda power: (tried[power].sum(), power))
        attempt(best + step)
        attempt(best - step)
    return {10.0**power: tried[power] for power in sorted(tried)}


class _Probe:
    """Multinomial logistic regression by L-BFGS, from where the last fit ended.

    It minimises the sum of the cross-entropies of the images, in nats, and
    l2 / 2 times the sum of the squared weights, the biases left out.

    Args:
        features: `(N, D)`, which are standardised.
        labels: their classes, `(N,)`, two or more.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        self._scaler: Any = StandardScaler()
        self._features = self._scaler.fit_transform(np.asarray(features, np.float64))
        self._labels = labels
        self._model: Any = LogisticRegression(
            solver="lbfgs", max_iter=ITERATIONS, warm_start=True
        )

    def correct(
        self, features: np.ndarray, labels: np.ndarray, l2: float
    ) -> np.ndarray:
        """Return whether images are classified correctly after a fit with that l2."""
        from sklearn.exceptions import ConvergenceWarning

        self._model.set_params(C=1 / l2)
        with warnings.catch_warnings():
            # Hardly regularised, weights grow for ever; predictions stay the same.
            warnings.simplefilter("ignore", ConvergenceWarning)
            with threads_for(self._features.size * len(np.unique(self._labels))):
                self._model.fit(self._features, self._labels)
        features = self._scaler.transform(np.asarray(features, np.float64))
        return self._model.predict(features) == labels


def lacks_linear(context: Context) -> str | None:
    """Return why this cannot be measured of a `Context`, if so."""
    reason, labels = lacks(context), context.dataset.train.labels
    if reason is None and len(np.unique(labels[_kept_and_dev(context)[0]])) < 2:
        return "the training images to fit to are all of one class"
    return reason


def linear_part(context: Context) -> Part:
    """Return a `Part` of a linear probe: the test split, then each l2 that was tried.

    The dev split is the validation split, or, of a data set without one, a
    fifth of the training images.
    """
    train, dev, source = _apart(context)
    found = linear_probe(train, dev, context.features_and_labels("test"))
    cases = [("test", found.l2, found.correct)]
    cases += [("dev", l2, correct) for l2, correct in found.searched.items()]
    rows = [
        {"split": split, "l2": l2, "images": len(correct)}
        | columns("accuracy", correct)
        for split, l2, correct in cases
    ]
    title = (
        f"top-1 {100 * found.accuracy:.2f} % ({100 * rows[0]['low']:.2f} to "
        f"{100 * rows[0]['high']:.2f}) with l2 {found.l2:.3g}, chosen on {source}"
    )
    drawn = {"linear": lambda: figures.linear_probe(rows)}
    return Part("linear", title, tuple(rows), drawn)


def _apart(context: Context) -> tuple[Labelled, Labelled, str]:
    """What to fit to, what to choose by, and what the latter is."""
    features, labels = context.features_and_labels("train")
    kept, held_out = _kept_and_dev(context)
    train = features[kept], labels[kept]
    if context.dataset.validation is not None:
        return train, context.features_and_labels("validation"), "the validation split"
    dev = features[held_out], labels[held_out]
    count = len(held_out)
    source = f"{count:,} training images, which it was then fitted to as well"
    return train, dev, source


def _kept_and_dev(context: Context) -> tuple[np.ndarray, np.ndarray]:
    """The training images to fit to, and those that are held out for the search."""
    count, share = len(context.dataset.train), 0
    if context.dataset.validation is None:
        share = max(count // DEV_SHARE, 1)
    order = np.random.default_rng(context.seed).permutation(count)
    return np.sort(order[share:]), np.sort(order[:share])
