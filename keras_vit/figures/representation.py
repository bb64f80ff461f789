"""Figures of classifiers on frozen features, and of the features themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_vit.figures.drawing import (
    HALO,
    MOST_LEGIBLE,
    TEST,
    TRAINING,
    VALIDATION,
    Figure,
    new_figure,
    shortened,
)

# Told apart by colour-blind eyes, and by their points too: Paul Tol's muted colours.
CLASS_COLOURS = (
    "#332288",
    "#cc6677",
    "#117733",
    "#ddaa33",
    "#88ccee",
    "#882255",
    "#44aa99",
    "#999933",
    "#aa4499",
    "#555555",
)
CLASS_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
OTHERS = "0.8"  # the grey of classes that are not told apart
LINES = (  # of a colour, its points and its dashes
    (TRAINING, "o", "-"),
    (TEST, "s", "--"),
    (VALIDATION, "^", ":"),
    ("0.2", "D", "-."),
)
ACCURACY = "Top-1 accuracy (%)"


def few_shot(rows: Sequence[Mapping[str, Any]], l2: float) -> Figure:
    """Draw few-shot accuracy over the images per class and over the regularisation.

    Args:
        rows: a dict for each number of shots and each regularisation: `shots`,
            `l2`, `seeds`, `accuracy`, `deviation`, `low`, `high`.
        l2: the regularisation of the left part.
    """
    figure = new_figure(9.5, 4, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    mine = [row for row in rows if row["l2"] == l2]
    shots = [row["shots"] for row in mine]
    _band(left, shots, mine, TRAINING, "95 % interval over the test images")
    left.errorbar(
        shots,
        _per_cent(mine, "accuracy"),
        _per_cent(mine, "deviation"),
        fmt="o-",
        ms=5,
        capsize=4,
        color=TRAINING,
        label=f"mean and std of {mine[0]['seeds']} draws",
    )
    left.set(xscale="log", xlabel="Training images per class", ylabel=ACCURACY)
    exponent = np.log2(l2) if l2 > 0 else 0.5
    value = f"$2^{{{exponent:g}}}$" if exponent == round(exponent) else f"{l2:.3g}"
    left.set_title(f"By images per class, at a regularisation of {value}")
    left.set_xticks(shots, [str(count) for count in shots])
    left.minorticks_off()
    left.legend(frameon=False, loc="lower right", fontsize=8)
    for (colour, marker, style), count in zip(LINES, reversed(shots), strict=False):
        values = sorted(
            (row for row in rows if row["shots"] == count), key=lambda row: row["l2"]
        )
        right.plot(
            [row["l2"] for row in values],
            _per_cent(values, "accuracy"),
            style,
            marker=marker,
            ms=4,
            color=colour,
            label=f"{count} per class",
        )
    right.axvline(l2, color="0.5", lw=1, zorder=0)
    right.set_xscale("log", base=2)
    right.set(xlabel="Regularisation", title="By regularisation")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return figure


def neighbours(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the accuracy of nearest neighbours over their number.

    Args:
        rows: a dict for each number of neighbours and each vote: `neighbours`,
            `vote`, `accuracy`, `low`, `high`.
    """
    figure = new_figure(6, 4, layout="constrained")
    axes = figure.subplots()
    votes = list(dict.fromkeys(row["vote"] for row in rows))
    counts: list[int] = []
    for (colour, marker, style), vote in zip(LINES, votes, strict=False):
        mine = [row for row in rows if row["vote"] == vote]
        counts = [row["neighbours"] for row in mine]
        _band(axes, counts, mine, colour)
        axes.plot(
            counts,
            _per_cent(mine, "accuracy"),
            style,
            marker=marker,
            ms=5,
            color=colour,
            label=f"{vote} vote",
        )
    axes.set(xscale="log", xlabel="Number of neighbours", ylabel=ACCURACY)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_title("Nearest neighbours by cosine similarity, 95 % intervals")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="best", fontsize=8)
    return figure


def linear_probe(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the accuracy of a linear probe over its regularisation.

    Args:
        rows: a dict for each l2 and split, `"dev"` or `"test"`: `split`, `l2`,
            `accuracy`, `low`, `high`.
    """
    figure = new_figure(6, 4, layout="constrained")
    axes = figure.subplots()
    for (colour, marker, style), split, label in (
        (LINES[0], "dev", "dev split, all values"),
        (LINES[1], "test", "test split, best value"),
    ):
        mine = [row for row in rows if row["split"] == split]
        values = _per_cent(mine, "accuracy")
        axes.errorbar(
            [row["l2"] for row in mine],
            values,
            (values - _per_cent(mine, "low"), _per_cent(mine, "high") - values),
            fmt=marker,
            ls=style,
            ms=5,
            capsize=3,
            color=colour,
            label=label,
        )
    axes.set(xscale="log", xlabel="Regularisation (l2)", ylabel=ACCURACY)
    axes.set_title("Linear probe, 95 % intervals")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="best", fontsize=8)
    return figure


def embedding(
    rows: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    shares: Sequence[float],
) -> Figure:
    """Draw images as points of a plane, by t-SNE and by principal components.

    The ten classes with the most images each have a colour and a marker; the
    others are grey. Names stand at the medians of their classes.

    Args:
        rows: a dict for each image: `class`, `t_sne_1`, `t_sne_2`,
            `component_1`, `component_2`.
        class_names: of all classes, in order.
        shares: of the variance that the two components explain.
    """
    figure = new_figure(12, 7.2, layout="constrained")
    left, right = figure.subplots(1, 2)
    classes = np.array([row["class"] for row in rows])
    there = [name for name in class_names if (classes == name).any()]
    largest = sorted(there, key=lambda name: -(classes == name).sum())
    coloured = [name for name in there if name in largest[: len(CLASS_COLOURS)]]
    for axes, key in ((left, "t_sne"), (right, "component")):
        places = np.array([(row[f"{key}_1"], row[f"{key}_2"]) for row in rows])
        _points(axes, places, classes, there, coloured)
        axes.set_box_aspect(1)
    left.set(title="t-SNE", xticks=[], yticks=[])
    first, second = (100 * share for share in shares)
    right.set(
        title="Principal components",
        xlabel=f"First component ({first:.1f} % of the variance)",
        ylabel=f"Second component ({second:.1f} %)",
    )
    right.grid(alpha=0.3)
    handles, _ = left.get_legend_handles_labels()
    names = [shortened(name, 24) for name in coloured]
    if len(there) > len(coloured):
        names = [f"{len(there) - len(coloured)} other classes", *names]
    legend = figure.legend(
        handles,
        names,
        frameon=False,
        loc="outside lower center",
        ncols=6,
        markerscale=1.8,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _points(axes, places, classes, there, coloured):
    """The points, the grey ones below, and the names of the classes above."""
    grey = ~np.isin(classes, coloured)
    if grey.any():
        axes.scatter(*places[grey].T, s=6, color=OTHERS, label="others", lw=0)
    for name, colour, marker in zip(
        coloured, CLASS_COLOURS, CLASS_MARKERS, strict=False
    ):
        mine = places[classes == name]
        axes.scatter(
            *mine.T, s=14, color=colour, marker=marker, lw=0, alpha=0.7, label=name
        )
    others = [name for name in there if name not in coloured]
    for name in [*(others if len(there) <= MOST_LEGIBLE else []), *coloured]:
        axes.text(
            *np.median(places[classes == name], axis=0),
            shortened(name, 16),
            ha="center",
            va="center",
            fontsize=9 if name in coloured else 6,
            color="black" if name in coloured else "0.35",
            parse_math=False,
            path_effects=HALO,
        )


def _band(axes, places, rows, colour, label=None):
    """The 95 % intervals over the test images, behind a line."""
    axes.fill_between(
        places,
        _per_cent(rows, "low"),
        _per_cent(rows, "high"),
        color=colour,
        alpha=0.15,
        lw=0,
        label=label,
    )


def _per_cent(rows, key):
    return np.array([100 * row[key] for row in rows])
