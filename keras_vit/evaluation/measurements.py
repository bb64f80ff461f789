"""All that can be measured, by name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_vit.evaluation import calibration, confusion, results
from keras_vit.evaluation.context import Context
from keras_vit.evaluation.embedding import embedding_part, lacks_embedding
from keras_vit.evaluation.features import lacks as lacks_features
from keras_vit.evaluation.least_squares import few_shot_part, lacks_few_shot
from keras_vit.evaluation.logistic_regression import lacks_linear, linear_part
from keras_vit.evaluation.nearest_neighbours import neighbours_part
from keras_vit.evaluation.parts import Part
from keras_vit.evaluation.resolution import resolutions
from keras_vit.evaluation.under_corruptions import robustness

MOST_IMAGES = 2000  # of a split, that are looked at with each of many changes


def nothing(context: Context) -> str | None:
    """Return that nothing is lacking, whatever the `Context`."""


def changed(measure: Callable[..., Any], context: Context) -> Part:
    """Return the `Part` of `robustness` or `resolutions`, on up to `MOST_IMAGES`."""
    return measure(
        context.classifier,
        context.dataset.test,
        batch_size=context.batch_size,
        strategy=context.strategy,
        seed=context.seed,
        limit=MOST_IMAGES,
        restricted=context.in_order,
    ).part()


@dataclass(frozen=True)
class Measurement:
    """A row of `MEASUREMENTS`.

    Attributes:
        measure: a function of a `Context` that returns a `Part`.
        lacks: a function of a `Context` that returns, before any work, why this
            cannot be measured there; `None` if it can.
        quick: whether it is measured where nothing is named, because it needs
            no more than the predictions of the test split.
        frozen: whether it uses features alone, so that the model may have
            other classes than the data set, or none.
    """

    measure: Callable[[Context], Part]
    lacks: Callable[[Context], str | None] = nothing
    quick: bool = False
    frozen: bool = False

    def reason(self, context: Context) -> str | None:
        """Return why this cannot be measured of a `Context`; `None` if it can."""
        other_classes = None if self.frozen else context.lacks_classes()
        return other_classes or self.lacks(context)


MEASUREMENTS = {
    "metrics": Measurement(results.metrics, quick=True),
    "classes": Measurement(results.classes, quick=True),
    "confusion": Measurement(confusion.confusion, confusion.lacks, quick=True),
    "real": Measurement(results.real, results.lacks_real, quick=True),
    "comparison": Measurement(results.comparison, results.lacks_other, quick=True),
    "calibration": Measurement(calibration.calibration, calibration.lacks),
    "few_shot": Measurement(few_shot_part, lacks_few_shot, frozen=True),
    "neighbours": Measurement(neighbours_part, lacks_features, frozen=True),
    "linear": Measurement(linear_part, lacks_linear, frozen=True),
    "embedding": Measurement(embedding_part, lacks_embedding, frozen=True),
    "robustness": Measurement(functools.partial(changed, robustness)),
    "resolution": Measurement(functools.partial(changed, resolutions)),
}


def chosen(what: Sequence[str], context: Context) -> tuple[list[str], dict[str, str]]:
    """Return the measurements that some words name, and why others are left out.

    Args:
        what: names of `MEASUREMENTS`, or `["all"]`; empty: the quick ones.
        context: a `Context`.

    Returns:
        Names, and a dict of those that `"all"` names and that cannot be
        measured, with the reasons.

    Raises:
        ValueError: for an unknown name, with the choices; for one that cannot
            be measured, with the reason.
    """
    unknown = sorted({*what} - {*MEASUREMENTS, "all"})
    if unknown:
        raise ValueError(
            f"Unknown measurement. Expected some of {', '.join(MEASUREMENTS)}, or all. "
            f"Received: {', '.join(unknown)}"
        )
    wanted = [
        name
        for name, row in MEASUREMENTS.items()
        if name in what or "all" in what or (row.quick and not what)
    ]
    reasons = {name: MEASUREMENTS[name].reason(context) for name in wanted}
    lacking = {name: reason for name, reason in reasons.items() if reason}
    for name in what:
        if name in lacking:
            raise ValueError(f"{name} cannot be measured: {lacking[name]}")
    names = [name for name in wanted if name not in lacking]
    if not names and not what:
        raise ValueError(next(iter(lacking.values())))
    return names, lacking if what else {}
