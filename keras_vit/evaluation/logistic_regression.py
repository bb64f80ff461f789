"""Linear probes: logistic regression on frozen features.

The search for the regularisation is that of CLIP (arXiv:2103.00020, appendix
A.3): a coarse grid from strong to weak, and then ever smaller steps about the
best.
"""

from dataclasses import dataclass

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.estimators import LogisticRegression
from keras_vit.evaluation.features import lacks
from keras_vit.evaluation.intervals import interval
from keras_vit.evaluation.parts import Part

COARSE = (6, 4, 2, 0, -2, -4, -6)  # powers of ten; warm starts go to weaker ones
FINER = (1.0, 0.5, 0.25, 0.125)  # steps about the best, in powers of ten
WORSE = 2  # so many in succession end the coarse search
DEV_SHARE = 5  # one image in so many, where there is no validation split


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier of features, its regularisation, and how it was found.

    Attributes:
        l2: the chosen regularisation.
        searched: by each l2 that was tried, `(N_dev,)`, whether each image of
            the dev split was answered rightly.
        right: `(N,)`, whether each test image is.
    """

    l2: float
    searched: dict[float, np.ndarray]
    right: np.ndarray

    @property
    def accuracy(self):
        """On the test images."""
        return float(self.right.mean())


def linear_probe(train, dev, test):
    """Fits logistic regression to features, and tests it once.

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
        ValueError: if there is but one class to fit to.

    Example:

    >>> y = np.arange(60) // 20
    >>> x = np.eye(3)[y] + np.random.default_rng(0).normal(scale=0.1, size=(60, 3))
    >>> linear_probe((x[::3], y[::3]), (x[1::3], y[1::3]), (x[2::3], y[2::3])).accuracy
    1.0
    """
    classes = np.unique(train[1])
    if len(classes) < 2:
        raise ValueError(
            f"Expected two classes or more to tell apart. Received: {len(classes)}"
        )
    searched = _search(*train, *dev)
    l2 = max(searched, key=lambda one: (searched[one].sum(), one))
    both = [np.concatenate(pair) for pair in zip(train, dev, strict=True)]
    right = _Probe(*both).right(*test, l2)
    return LinearProbe(l2, searched, right)


def _search(features, labels, dev_features, dev_labels):
    """Whether dev images are answered rightly, by each l2 that is tried."""
    probe, tried = _Probe(features, labels), {}

    def attempt(power):
        if power not in tried:
            tried[power] = probe.right(dev_features, dev_labels, 10.0**power)

    for power in COARSE:
        attempt(float(power))
        # Past the best, weaker ones take ever more steps and give ever less.
        counts = [right.sum() for right in tried.values()]
        if len(counts) > WORSE and max(counts[-WORSE:]) < max(counts):
            break
    for step in FINER:
        best = max(tried, key=lambda power: (tried[power].sum(), power))
        attempt(best + step)
        attempt(best - step)
    return {10.0**power: tried[power] for power in sorted(tried)}


class _Probe:
    """Logistic regression on standardised features, for one l2 after another."""

    def __init__(self, features, labels):
        x = np.asarray(features, np.float64)
        self._mean, self._deviation = x.mean(0), x.std(0)
        self._deviation[self._deviation == 0] = 1  # of what never changes
        self._features, self._labels = self._standardised(x), labels
        self._regression = LogisticRegression()

    def right(self, features, labels, l2):
        """Whether images are answered rightly after a fit with that l2."""
        self._regression.fit(self._features, self._labels, l2)
        return self._regression.answers(self._standardised(features)) == labels

    def _standardised(self, features):
        return (features - self._mean) / self._deviation


def lacks_linear(context):
    """Why a `Context` cannot be measured so, if not."""
    reason, labels = lacks(context), context.dataset.train.labels
    if reason is None and len(np.unique(labels[_kept_and_dev(context)[0]])) < 2:
        return "the training images to fit to are all of one class"
    return reason


def linear_part(context):
    """A `Part` of a linear probe: the test split, then each l2 that was tried.

    The dev split is the validation split, or, of a data set without one, a
    fifth of the training images.
    """
    train, dev, source = _apart(context)
    found = linear_probe(train, dev, context.features_and_labels("test"))
    cases = [("test", found.l2, found.right)]
    cases += [("dev", l2, right) for l2, right in found.searched.items()]
    rows = []
    for split, l2, right in cases:
        low, high = interval(right, context.seed)
        rows.append(
            {
                "split": split,
                "l2": l2,
                "images": len(right),
                "accuracy": float(right.mean()),
                "low": low,
                "high": high,
            }
        )
    title = (
        f"top-1 {100 * found.accuracy:.2f} % ({100 * rows[0]['low']:.2f} to "
        f"{100 * rows[0]['high']:.2f}) with l2 {found.l2:.3g}, chosen on {source}"
    )
    drawn = {"linear": lambda: figures.linear_probe(rows)}
    return Part("linear", title, tuple(rows), drawn)


def _apart(context):
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


def _kept_and_dev(context):
    """The training images to fit to, and those that are held out for the search."""
    count, share = len(context.dataset.train), 0
    if context.dataset.validation is None:
        share = max(count // DEV_SHARE, 1)
    order = np.random.default_rng(context.seed).permutation(count)
    return np.sort(order[share:]), np.sort(order[:share])
