"""Figures of training and of evaluation."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_vit.figures.drawing import (
    MOST_LEGIBLE,
    TEST,
    TRAINING,
    Figure,
    new_figure,
    shortened,
)
from keras_vit.figures.sheets import contact_sheet, lines_beside
from keras_vit.history import with_present_names

LEGEND = 30  # letters of a line, so that the legend lies within the axes


def learning_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    conditions: Sequence[str] = (),
    loss_conditions: Sequence[str] = (),
) -> Figure:
    """Draw loss and accuracy over the epochs, in training and on the evaluated split.

    Args:
        history: a dict of numbers for each evaluation, as `train` returns it.
        conditions: under which loss and accuracy in training are measured, for the
            legend, such as `("augmented", "dropout")`.
        loss_conditions: those of the loss alone, such as `("smoothed labels",)`.
    """
    history = [with_present_names(row) for row in history]
    evaluated = history[-1].get("eval_split", "test")  # what earlier versions said
    figure = new_figure(9, 3.6, layout="constrained")
    epochs = [numbers["epoch"] for numbers in history]
    titles = {"loss": "Loss", "accuracy": "Accuracy (%)"}
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        scale = 100 if name == "accuracy" else 1
        under = (*conditions, *(loss_conditions if name == "loss" else ()))
        training = f"training ({', '.join(under)})" if under else "training"
        training = textwrap.fill(training, LEGEND)
        for key, label, colour, marker in (
            (name, training, TRAINING, "o"),
            (f"eval_{name}", evaluated, TEST, "s"),
        ):
            values = [scale * numbers[key] for numbers in history]
            axes.plot(epochs, values, color=colour, marker=marker, ms=4, label=label)
        axes.set(title=title, xlabel="Epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def confusion_matrix(confusion: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix, its rows divided by their sums.

    Counts and names, with the images of each true class, are shown of up to
    `MOST_LEGIBLE` classes.

    Args:
        confusion: `(K, K)` counts; a row is a true class.
        class_names: K of them.
    """
    count = len(class_names)
    legible = count <= MOST_LEGIBLE
    side = 2.6 + 0.42 * count if legible else 10
    figure = new_figure(side + 0.6, side, layout="constrained")
    axes = figure.subplots()
    shares = confusion / confusion.sum(1, keepdims=True).clip(min=1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if legible:
        for row, column in np.argwhere(confusion):
            axes.text(
                column,
                row,
                str(confusion[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if shares[row, column] > 0.5 else "black",
            )
        names, plain = (
            [shortened(name, 24) for name in class_names],
            {"parse_math": False},
        )
        axes.set_xticks(range(count), names, rotation=45, ha="right", **plain)
        images = confusion.sum(1).tolist()
        rows = [f"{name} ({n:,})" for name, n in zip(names, images, strict=True)]
        axes.set_yticks(range(count), rows, **plain)
    which = "" if legible else ", by number"
    correct = confusion.trace() / max(confusion.sum(), 1)
    axes.set(
        title=f"{confusion.sum():,} images, {100 * correct:.1f} % correct",
        xlabel=f"Predicted class{which}",
        ylabel=f"True class{which or ' (images)'}",
    )
    figure.colorbar(picture, label="Share of the true class", shrink=0.8)
    return figure


def confused_pairs(
    pairs: Sequence[tuple[str, str, int, Sequence[np.ndarray]]], cell: int, title: str
) -> Figure:
    """Draw images of classes that are predicted as others.

    Args:
        pairs: the true class's name, the predicted class's name, the count of
            images, and some of them, uint8 `(h, w, 3)`.
        cell: the most pixels an image is high and wide.
        title: a line.
    """
    letters = 17 if lines_beside(cell) < 4 else 27
    lines = [
        (
            f"{count:,}: {shortened(true, letters)} as {shortened(predicted, letters)}",
            images,
        )
        for true, predicted, count, images in pairs
    ]
    return contact_sheet(lines, 1, cell, title)


def reliability_diagram(
    whole: Sequence[Mapping[str, Any]], bins: Sequence[Mapping[str, Any]]
) -> Figure:
    """Draw accuracy over confidence, and how predictions are spread over confidence.

    Args:
        whole: for each temperature a dict: `temperature`, `forecasts`, and
            `error`, the expected one.
        bins: a dict for each bin of each temperature, with `above`,
            `at_most`, `confidence`, `accuracy`, `low` and `high` besides.
    """
    figure = new_figure(0.8 + 3.6 * len(whole), 5.4, layout="constrained")
    grid = figure.subplots(
        2,
        len(whole),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(3, 1),
    )
    for (upper, lower), row in zip(grid.T, whole, strict=True):
        mine = [one for one in bins if one["temperature"] == row["temperature"]]
        _reliability(upper, mine)
        upper.set_title(
            f"Temperature {row['temperature']:.3g}: "
            f"expected error {100 * row['error']:.1f} %",
            fontsize=10,
        )
        _forecasts(lower, mine, row["forecasts"])
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2)
    grid[0, 0].set_ylabel("Accuracy (%)")
    grid[1, 0].set_ylabel("Predictions (%)")
    return figure


def _reliability(axes, bins):
    confidence, accuracy, low, high = (
        np.array([100 * row[name] for row in bins])
        for name in ("confidence", "accuracy", "low", "high")
    )
    axes.plot((0, 100), (0, 100), "--", color="0.5", lw=1, label="calibrated")
    axes.errorbar(
        confidence,
        accuracy,
        (accuracy - low, high - accuracy),
        fmt="o-",
        ms=4,
        lw=1,
        capsize=2,
        color=TEST,
        label="model, with 95 % intervals",
    )
    axes.set(xlim=(0, 100), ylim=(0, 100))
    axes.grid(alpha=0.3)


def _forecasts(axes, bins, count):
    axes.bar(
        [100 * row["above"] for row in bins],
        [100 * row["forecasts"] / count for row in bins],
        [100 * (row["at_most"] - row["above"]) for row in bins],
        align="edge",
        color="0.6",
        edgecolor="white",
    )
    axes.set(xlabel="Confidence (%)")
    axes.grid(alpha=0.3)
