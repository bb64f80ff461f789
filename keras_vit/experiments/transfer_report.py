"""A transfer as files: its numbers, a table like the paper's, a figure."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from keras_vit import figures
from keras_vit.files import write_csv, write_json, written_whole

if TYPE_CHECKING:
    from keras_vit.experiments.transfer_runs import Transfer


STEM = "transfer"
COLUMNS = (
    "data_set",
    "split",
    "rate",
    "seed",
    "accuracy",
    "loss",
    "images",
    "steps",
    "seconds",
)


def write_transfer(found: Transfer) -> None:
    """Write `transfer.json`, `.csv`, `.md` and, of a sweep, `.png`, each whole.

    Args:
        found: a `Transfer`, into whose folder they go.
    """
    write_numbers(found.folder, numbers_of(found), rows_of(found), markdown_of(found))
    if found.sweep:
        figure = figures.rate_sweep(
            found.rates,
            [one.top1 for one in found.sweep],
            (found.rate, found.mean, found.deviation),
            found.dataset,
        )
        figures.write(figure, found.folder / f"{STEM}.png")


def write_numbers(
    folder: pathlib.Path,
    numbers: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    lines: Iterable[str],
) -> None:
    """Write a dict as JSON, rows as CSV and lines as Markdown."""
    write_json(folder / f"{STEM}.json", numbers, allow_nan=False)
    write_csv(folder / f"{STEM}.csv", rows, COLUMNS)
    with written_whole(folder / f"{STEM}.md") as scratch:
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")


def numbers_of(found: Transfer) -> dict[str, Any]:
    """Return a `Transfer` as JSON can hold it."""
    return {
        "dataset": found.dataset,
        "rates": list(found.rates),
        "dev_accuracies": [one.top1 for one in found.sweep],
        "rate": found.rate,
        "accuracies": found.accuracies.tolist(),
        "mean": found.mean,
        "deviation": found.deviation,
        "test_images": found.runs[0].count,
    }


def rows_of(found: Transfer) -> list[dict[str, Any]]:
    """Return a row for each run of a `Transfer`, with the columns `COLUMNS`."""
    tried = [
        ("dev", rate, 0, one)
        for rate, one in zip(found.rates, found.sweep, strict=bool(found.sweep))
    ]
    final = [("test", found.rate, seed, one) for seed, one in enumerate(found.runs)]
    return [
        {
            "data_set": found.dataset,
            "split": split,
            "rate": rate,
            "seed": seed,
            "accuracy": one.top1,
            "loss": one.loss,
            "images": one.count,
            "steps": one.steps,
            "seconds": round(one.seconds, 1),
        }
        for split, rate, seed, one in [*tried, *final]
    ]


def plus_minus(mean: float, deviation: float) -> str:
    """Return an accuracy in per cent, as in Table 2.

    Example:

    >>> plus_minus(0.98953, 0.00051)
    '98.95 ± 0.05'
    """
    return f"{100 * mean:.2f} ± {100 * deviation:.2f}"


def markdown_of(found: Transfer) -> list[str]:
    """Return the lines of a `Transfer`'s report."""
    runs, count = len(found.runs), found.runs[0].count
    lines = [
        f"# Transfer to {found.dataset}",
        "",
        "| data set | accuracy (%) | learning rate |",
        "| --- | ---: | ---: |",
        f"| {found.dataset} | {plus_minus(found.mean, found.deviation)} "
        f"| {found.rate:g} |",
        "",
        f"Mean and standard deviation (over n - 1) of {runs} fine-tuning "
        f"run{'s' * (runs > 1)} on the whole training split, "
        f"on {count:,} test images.",
    ]
    if not found.sweep:
        return [*lines, "The learning rate was fixed: no other was tried."]
    lines += [
        "",
        f"The learning rate is the best of these on {found.sweep[0].count:,} training "
        "images that were left out:",
        "",
        "| learning rate | accuracy (%) | loss |",
        "| ---: | ---: | ---: |",
    ]
    for rate, one in zip(found.rates, found.sweep, strict=True):
        lines.append(f"| {rate:g} | {100 * one.top1:.2f} | {one.loss:.4f} |")
    if found.rate in (min(found.rates), max(found.rates)):
        lines += ["", "It is at the end of those tried: one beyond it may be better."]
    return [*lines, "", f"![Accuracy by learning rate]({STEM}.png)"]
