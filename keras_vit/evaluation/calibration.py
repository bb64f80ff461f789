"""Whether a classifier's confidence is its accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit import figures
from keras_vit.evaluation.evaluated import ratio
from keras_vit.evaluation.intervals import share_interval
from keras_vit.evaluation.metrics import loss_of
from keras_vit.evaluation.parts import Part
from keras_vit.evaluation.predictions import Predictions
from keras_vit.evaluation.temperature import bound_reached, fit_temperature

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context

BINS = 15  # as in Guo et al. 2017
NO_LOSS = 1e-9  # in nats, below which no temperature is better than another


@dataclass(frozen=True)
class Reliability:
    """How often forecasts come true, by their confidence.

    A forecast is the probability of an image's likeliest class, which comes
    true if that is its class. By sigmoid, each probability of each image is a
    forecast of its own, which comes true if the image shows the class.

    Attributes:
        counts: `(M,)` forecasts in each of M bins of equal width: bin m,
            counted from 0, is above m / M and at most (m + 1) / M.
        sums: `(M,)`, the sum of their probabilities.
        true: `(M,)`, how many came true.
    """

    counts: np.ndarray
    sums: np.ndarray
    true: np.ndarray

    @property
    def confidence(self) -> np.ndarray:
        """The mean forecast of each bin, `(M,)`; NaN of an empty one."""
        return ratio(self.sums, self.counts)

    @property
    def accuracy(self) -> np.ndarray:
        """The share that came true of each bin, `(M,)`; NaN of an empty one."""
        return ratio(self.true, self.counts)

    @property
    def expected_error(self) -> float:
        """The expected calibration error (Guo et al. 2017, Eq. 3)."""
        return float(np.abs(self.true - self.sums).sum() / self.counts.sum())


def reliability(predictions: Predictions, bins: int = BINS) -> Reliability:
    """Measure how often the forecasts of `Predictions` come true.

    Args:
        predictions: of a split.
        bins: M.

    Returns:
        A `Reliability`.

    Example:

    >>> from keras_vit.evaluation import Predictions
    >>> sure = np.array([[9.0, 0.0], [9.0, 0.0]], np.float32)
    >>> f"{reliability(Predictions(sure, np.array([0, 1]))).expected_error:.2f}"
    '0.50'
    """
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    totals = np.zeros((3, bins))
    for part in predictions.parts():
        confidence, true = _forecasts(part)
        places = np.digitize(confidence, inner, right=True)
        for total, weights in zip(totals, (None, confidence, true), strict=True):
            total += np.bincount(places, weights, bins)
    counts, sums, true = totals
    return Reliability(counts.astype(np.int64), sums, true.astype(np.int64))


def _forecasts(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and whether what they are of is so."""
    shares = predictions.probabilities()
    if predictions.activation == "softmax":
        return shares.max(1), predictions.correct()
    return shares.ravel(), predictions.targets().ravel()


def lacks(context: Context) -> str | None:
    """Return why no temperature can be fitted, if so."""
    if context.dataset.validation is None and len(context.dataset.test) < 2:
        return "one image is too few to fit a temperature and to report on others"
    return None


def calibration(context: Context) -> Part:
    """Return a `Part` of the calibration, as it is and at the best temperature.

    The temperature is fitted on the validation split, or, of a data set
    without one, on one half of the test split; the other half is then
    reported on.
    """
    to_fit_on, reported, source = _apart(context)
    temperature = fit_temperature(to_fit_on)
    whole, bins = [], []
    for one in (1.0, temperature):
        predictions = reported.divided(one)
        found, loss = reliability(predictions), loss_of(predictions)
        first, *others = _rows(one, found, loss)
        whole.append(first)
        bins += others
    before, after = (100 * row["error"] for row in whole)
    title = (
        f"expected calibration error {before:.2f} %, and {after:.2f} % at temperature "
        f"{temperature:.4g}, fitted on {source}"
    )
    limit = bound_reached(temperature)
    if limit is None and loss_of(to_fit_on.divided(temperature)) < NO_LOSS:
        limit = "one of many: it leaves no loss on those images, as smaller ones do"
    if limit is not None:
        title += f". That temperature is {limit}"
    drawn = {"reliability": lambda: figures.reliability_diagram(whole, bins)}
    return Part("calibration", title, (*whole, *bins), drawn)


def _apart(context: Context) -> tuple[Predictions, Predictions, str]:
    """Predictions to fit on, others to report on, and what the first are."""
    found = context.predictions()
    if context.dataset.validation is not None:
        return context.predictions("validation"), found, "the validation split"
    order = np.random.default_rng(context.seed).permutation(len(found))
    half = len(found) // 2
    held_out, reported = np.sort(order[:half]), np.sort(order[half:])
    source = f"{half:,} other images of the test split"
    return found.subset(held_out), found.subset(reported), source


def _rows(
    temperature: float, found: Reliability, loss: float
) -> Iterator[dict[str, Any]]:
    """A row for all forecasts, whose error is the expected one; one for each bin."""
    numbers = np.stack([found.counts, found.sums, found.true], axis=1)
    edges = np.linspace(0, 1, len(numbers) + 1).tolist()
    whole = _row(temperature, (0.0, 1.0), numbers.sum(0))
    yield whole | {"error": found.expected_error, "loss": loss}
    for ends, one in zip(itertools.pairwise(edges), numbers, strict=True):
        if one[0]:
            yield _row(temperature, ends, one)


def _row(
    temperature: float, ends: tuple[float, float], numbers: np.ndarray
) -> dict[str, Any]:
    count, total, true = numbers.tolist()
    low, high = share_interval(true, count)
    return {
        "temperature": temperature,
        "above": ends[0],
        "at_most": ends[1],
        "forecasts": int(count),
        "confidence": total / count,
        "accuracy": true / count,
        "low": low,
        "high": high,
        "error": abs(total - true) / count,
        "loss": None,
    }
