"""Figures of an accuracy under corruptions and at other resolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_vit.figures.drawing import TEST, TRAINING, VALIDATION, Figure, new_figure

# Told apart by colour-blind eyes, and by their points in print.
LINES = (
    (TRAINING, "o"),
    (TEST, "s"),
    (VALIDATION, "^"),
    ("#cc79a7", "D"),
)


def robustness_table(
    rows: Mapping[Any, Mapping[str, Any]],
    corruptions: Sequence[str],
    severities: Sequence[int],
) -> Figure:
    """Draw the accuracy under each corruption at each severity, in per cent.

    Args:
        rows: by (corruption, severity), dicts with `top1` in [0, 1]; with
            `("none", 0)` for clean images, and `"mean"` for either.
        corruptions: C names.
        severities: S of them.
    """
    names, columns = [*corruptions, "mean"], [*severities, "mean"]
    values = np.array(
        [[100 * rows[name, column]["top1"] for column in columns] for name in names]
    )
    clean = 100 * rows["none", 0]["top1"]
    width, height = 3.4 + 0.62 * len(columns), 1.6 + 0.32 * len(names)
    figure = new_figure(width, height, layout="constrained")
    axes = figure.subplots()
    most = max(clean, values.max())
    picture = axes.imshow(values, cmap="Blues", vmin=0, vmax=most, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value > 0.6 * most else "black"
        axes.text(
            column, row, f"{value:.1f}", ha="center", va="center", fontsize=8, c=colour
        )
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.axhline(len(corruptions) - 0.5, color="black", lw=0.8)
    axes.axvline(len(severities) - 0.5, color="black", lw=0.8)
    axes.set(title=f"Clean images: {clean:.1f} %", xlabel="Severity")
    figure.colorbar(picture, label="Accuracy (%)")
    return figure


def robustness_lines(
    rows: Mapping[Any, Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    severities: Sequence[int],
) -> Figure:
    """Draw the accuracy over the severity, a panel for each group of corruptions.

    Args:
        rows: as in `robustness_table`, with the intervals' `low` and `high`.
        groups: their names, and the corruptions in each.
        severities: S of them.
    """
    figure = new_figure(3.1 * len(groups) + 0.6, 4.2, layout="constrained")
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, (group, names) in zip(panels, groups.items(), strict=True):
        clean = 100 * rows["none", 0]["top1"]
        axes.axhline(clean, color="0.3", ls="--", lw=1, label="clean")
        for name, (colour, marker) in zip(names, LINES, strict=False):
            of_name = [rows[name, severity] for severity in severities]
            _line(
                axes,
                severities,
                of_name,
                colour=colour,
                marker=marker,
                label=name.replace("_", " "),
            )
        axes.set(title=group, xlabel="Severity", xticks=severities)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    panels[0].set(ylabel="Accuracy (%)", ylim=(0, 102))
    return figure


def resolution_curves(
    rows: Sequence[Mapping[str, Any]], kinds: Sequence[str], own: int
) -> Figure:
    """Draw the accuracy over the resolution, a line for each kind of resolution.

    Args:
        rows: dicts of `what`, one of the kinds; `height` and `width` in
            pixels; `top1`, `low` and `high` in [0, 1].
        kinds: their names.
        own: the shorter side of the model's own input.
    """
    figure = new_figure(6.4, 4.2, layout="constrained")
    axes = figure.subplots()
    for kind, (colour, marker) in zip(kinds, LINES, strict=False):
        of_kind = [row for row in rows if row["what"] == kind]
        sides = [min(row["height"], row["width"]) for row in of_kind]
        _line(axes, sides, of_kind, colour=colour, marker=marker, label=kind)
    axes.axvline(own, color="0.3", ls="--", lw=1, label="input size of the model")
    axes.set(
        title="Accuracy at other resolutions",
        xlabel="Shorter side (pixels)",
        ylabel="Accuracy (%)",
        ylim=(0, 102),
    )
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _line(axes, places, rows, *, colour, marker, label):
    """Accuracies in per cent, and their intervals as a band."""
    top1, low, high = (
        [100 * row[key] for row in rows] for key in ("top1", "low", "high")
    )
    axes.plot(places, top1, color=colour, marker=marker, ms=4, label=label)
    axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
