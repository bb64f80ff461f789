"""Confidence intervals of accuracies, and whether two models differ significantly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

REPEATS = 10_000  # samples that are drawn anew
SHARE = 0.95  # of them that lie in an interval
AT_ONCE = 1_000_000  # numbers in memory
ALPHA = 0.05  # the chance of calling noise a difference
Z = NormalDist().inv_cdf((1 + SHARE) / 2)  # 1.96


def interval(values: ArrayLike, seed: int = 0) -> tuple[float, float]:
    """Return the interval of a mean over images, by the bootstrap (Efron 1979).

    As many images as there are, are drawn from them with replacement, again
    and again; of the means that come out, the percentiles 2.5 and 97.5. How
    often each of the different values is drawn is a multinomial number, so
    that 50,000 predictions take no longer than 100. Where all values are equal, the
    interval is a point: for the share of correct predictions, use `share_interval`.

    Args:
        values: `(N,)`, such as the loss of each prediction.
        seed: of the draws.

    Returns:
        `(low, high)`.

    Raises:
        ValueError: if there are no values.

    Example:

    >>> low, high = interval([True] * 80 + [False] * 20)
    >>> print(f"{low:.2f} {high:.2f}")
    0.72 0.88
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            "Expected a value for each image, of shape (N,), and N of at least 1. "
            f"Received: shape {array.shape}"
        )
    different, counts = np.unique(array, return_counts=True)
    count, draws = len(array), np.random.default_rng(seed)
    step = max(AT_ONCE // len(different), 1)
    means = [
        draws.multinomial(count, counts / count, min(step, REPEATS - done)) @ different
        for done in range(0, REPEATS, step)
    ]
    tails = (50 * (1 - SHARE), 50 * (1 + SHARE))
    low, high = np.percentile(np.concatenate(means) / count, tails)
    return float(low), float(high)


def share_interval(correct: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, in closed form (Wilson 1927).

    It holds for any share: where none or all of the images are correct, it still
    says how often others may be so.

    Args:
        correct: the images that count, such as those classified correctly.
        total: all images.

    Returns:
        `(low, high)`, in [0, 1].

    Raises:
        ValueError: if there are no images, or `correct` is not among them.

    Example:

    >>> low, high = share_interval(9, 9)
    >>> print(f"{low:.3f} {high:.3f}")
    0.701 1.000
    """
    correct, total = int(correct), int(total)
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(
            "Expected at least one image, of which from none to all are correct. "
            f"Received: correct={correct}, total={total}"
        )
    middle = (correct + Z**2 / 2) / (total + Z**2)
    spread = correct * (total - correct) / total + Z**2 / 4
    half = Z * math.sqrt(spread) / (total + Z**2)
    # At the ends the bound is exact, which the arithmetic would miss by a bit.
    low = middle - half if correct > 0 else 0.0
    high = middle + half if correct < total else 1.0
    return low, high


def columns(name: str, values: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Return a mean over images and its interval, as columns of a table's row.

    Args:
        name: of the mean's column; those of the interval are `low` and `high`.
        values: `(N,)`. Booleans, such as which predictions are correct, have the
            `share_interval`; other numbers have that of the bootstrap.
        seed: of the bootstrap.

    Example:

    >>> {name: round(one, 2) for name, one in columns("top1", np.arange(9) > 2).items()}
    {'top1': 0.67, 'low': 0.35, 'high': 0.88}
    """
    if values.dtype == bool:
        low, high = share_interval(values.sum(), len(values))
    else:
        low, high = interval(values, seed)
    return {name: float(values.mean()), "low": low, "high": high}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same images.

    Attributes:
        count: the images.
        first, second: the accuracy of each model.
        low, high: between which the difference lies, first less second, as
            `interval` has it.
        only_first, only_second: the images that one alone classifies correctly.
        p_value: how likely so uneven a division of those is, or one more
            uneven, between equally good models (McNemar 1947, exact).
    """

    count: int
    first: float
    second: float
    low: float
    high: float
    only_first: int
    only_second: int
    p_value: float

    @property
    def difference(self) -> float:
        """The first accuracy less the second."""
        return self.first - self.second

    @property
    def is_more_than_noise(self) -> bool:
        """Whether such a difference comes by chance in less than one case of 20."""
        return self.p_value < ALPHA

    def sentence(self) -> str:
        """Return what the numbers mean, as a sentence."""
        better = "better" if self.difference > 0 else "worse"
        size = (
            f"{100 * abs(self.difference):.2f} points {better}"
            if self.difference
            else "as good"
        )
        verdict = "more than noise" if self.is_more_than_noise else "no more than noise"
        return (
            f"The first model is {size} on {self.count:,} images (first less second "
            f"{100 * self.low:+.2f} to {100 * self.high:+.2f} points, "
            f"p = {self.p_value:.2g}): {verdict}."
        )


def compare(first: ArrayLike, second: ArrayLike, seed: int = 0) -> Comparison:
    """Compare two models on the same images.

    Args:
        first: `(N,)`, whether the first model's prediction of each image is
            correct.
        second: the second model's, in the same order.
        seed: of the interval.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: if the images differ in number, or there are none.

    Example:

    >>> found = compare([True] * 30 + [False] * 10, [False] * 12 + [True] * 28)
    >>> found.only_first, found.only_second
    (12, 10)
    >>> found.is_more_than_noise
    False
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape:
        raise ValueError(
            "Expected the predictions of two models of the same images. "
            f"Received: {first.shape} and {second.shape} of them"
        )
    low, high = interval(first.astype(int) - second, seed)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return Comparison(
        count=len(first),
        first=float(first.mean()),
        second=float(second.mean()),
        low=low,
        high=high,
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's two-sided exact test.

    Of n images that one model alone classifies correctly, each is as likely the
    one's as the other's, if the models are equally good.

    Args:
        only_first: how many the first model alone classifies correctly.
        only_second: how many the second.

    Returns:
        The chance of a division as uneven as this, or more.

    Example:

    >>> mcnemar(1, 5)
    0.21875
    """
    from scipy.stats import binomtest

    different = only_first + only_second
    return float(binomtest(only_first, different).pvalue) if different else 1.0
