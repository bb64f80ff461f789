"""Figures from layer to layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_vit.figures.drawing import TEST, TRAINING, Figure, new_figure, shortened
from keras_vit.figures.mosaic import spread

MOST_TICKS = 12
DEPTH = "Network depth (layer)"


def attention_distance(distances: Any, even: float, title: str) -> Figure:
    """Draw the mean attention distance of each head: Fig. 7, right, of the ViT paper.

    Args:
        distances: `(L, H)` mean attention distances in pixels.
        even: the distance of uniform attention.
        title: a line.
    """
    layers = np.arange(1, len(distances) + 1)
    figure = new_figure(6.4, 4.4, layout="constrained")
    axes = figure.subplots()
    points = np.repeat(layers, np.shape(distances)[1])
    axes.plot(
        points,
        np.ravel(distances),
        "o",
        ms=5,
        color=TRAINING,
        alpha=0.65,
        mew=0,
        label="one head",
    )
    axes.plot(
        layers,
        np.mean(distances, 1),
        "_",
        ms=16,
        mew=2,
        color="black",
        label="mean over heads",
    )
    axes.axhline(even, color=TEST, ls="--", lw=1, label="uniform attention")
    top = 1.06 * max(even, np.max(distances))
    axes.set(xlabel=DEPTH, ylabel="Mean attention distance (pixels)", ylim=(0, top))
    _depths(axes, layers)
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    figure.suptitle(shortened(title, 70), fontsize=11, parse_math=False)
    return figure


def token_norms(norms: Any, title: str) -> Figure:
    """Draw the norms of patch tokens, over the layers and after the last one.

    Args:
        norms: `(L + 1, ...)` Euclidean norms of the patches' tokens, before the
            first layer and after each.
        title: a line.
    """
    norms = np.reshape(norms, (len(norms), -1))
    layers = np.arange(len(norms))
    figure = new_figure(9.6, 4, layout="constrained")
    left, right = figure.subplots(1, 2)
    least, low, middle, high, most = np.percentile(norms, (0, 5, 50, 95, 100), axis=1)
    left.fill_between(
        layers, least, most, color=TRAINING, alpha=0.15, lw=0, label="all"
    )
    left.fill_between(
        layers,
        low,
        high,
        color=TRAINING,
        alpha=0.35,
        lw=0,
        label="5 % to 95 %",
    )
    left.plot(layers, middle, "o-", ms=4, color=TRAINING, label="median")
    left.set(xlabel=DEPTH + ", 0: input", ylabel="Norm of patch tokens")
    left.set(title="Over the layers", ylim=(0, None))
    _depths(left, layers)
    left.legend(frameon=False)
    right.hist(norms[-1], bins=60, color=TRAINING)
    right.set(xlabel="Norm of patch tokens", ylabel="Tokens", yscale="log")
    right.set(title=f"After layer {layers[-1]}")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle(shortened(title, 100), fontsize=11, parse_math=False)
    return figure


def _depths(axes, layers):
    """Whole numbers, all of few layers."""
    some = spread(len(layers), MOST_TICKS)
    axes.set_xticks(layers[some])
    axes.set_xlim(layers[0] - 0.5, layers[-1] + 0.5)


def similarity_of_layers(similarity: Any, names: tuple[str, str], title: str) -> Figure:
    """Draw the similarity of the layers of two models, or of one.

    Args:
        similarity: `(La, Lb)` linear CKA in [0, 1], the first layers first.
        names: of the model whose layers are the rows, and of the other.
        title: a line.
    """
    rows, columns = np.shape(similarity)
    aspect = min(max(rows / columns, 0.4), 2.5)
    side = 5.6 / max(aspect, 1)
    figure = new_figure(side + 1.1, side * aspect + 0.7, layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(
        similarity,
        origin="lower",
        cmap="viridis",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        aspect="auto",
    )
    axes.set_box_aspect(aspect)
    for axis, count, name in zip(
        (axes.yaxis, axes.xaxis), (rows, columns), names, strict=True
    ):
        some = spread(count, MOST_TICKS)
        axis.set_ticks(some, some + 1)
        axis.set_label_text(f"Layer of {shortened(name, 30)}", parse_math=False)
    figure.colorbar(shown, label="Linear CKA (1: equal)")
    axes.set_title(shortened(title, 60), fontsize=11, parse_math=False)
    return figure
