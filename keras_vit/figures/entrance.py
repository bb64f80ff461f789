"""Figures of what is learned before the encoder: filters and positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_vit.figures.drawing import Figure, new_figure, shortened
from keras_vit.figures.mosaic import middles, mosaic, spread

COLUMNS = 7  # of filters, as in the paper
MOST_PLACES = 16  # whose maps are shown along a side of the grid


def patch_filters(filters: np.ndarray, title: str) -> Figure:
    """Draw filters as images: Fig. 7, left, of the ViT paper.

    Each is scaled by its own largest weight, so that grey is 0.

    Args:
        filters: `(F, h, w, 3)`, the most important first.
        title: a line.
    """
    count, height, width = filters.shape[:3]
    largest = np.abs(filters).max((1, 2, 3), keepdims=True).clip(min=1e-12)
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    tiles = np.full((rows * columns, height, width, 3), np.nan)
    tiles[:count] = 0.5 + 0.5 * filters / largest
    gap = max(round(max(height, width) / 6), 1)
    whole = mosaic(tiles.reshape(rows, columns, height, width, 3), gap)
    side = min(1, 1.6 * width / height)
    high = rows * side * height / width * 1.15
    wide = max(columns * side * 1.15, 5)
    figure = new_figure(wide, high + 0.6, layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.nan_to_num(whole, nan=1.0), interpolation="nearest")
    x, y = middles(columns, width, gap), middles(rows, height, gap)
    for number in range(count):
        row, column = divmod(number, columns)
        axes.text(
            x[column],
            y[row] + height / 2 + 0.1 * gap,
            str(number + 1),
            ha="center",
            va="top",
            fontsize=7,
            color="0.3",
        )
    axes.set_ylim(whole.shape[0] - 0.5 + gap, -0.5)
    axes.set_axis_off()
    axes.set_title(shortened(title, 60), fontsize=11, parse_math=False)
    return figure


def position_similarity(similarity: np.ndarray, title: str) -> Figure:
    """Draw the similarity of position embeddings: Fig. 7, centre.

    Args:
        similarity: `(rows, columns, rows, columns)` cosines; of large grids,
            some places are left out.
        title: a line.
    """
    figure, axes = _tiled(similarity, 1, "Cosine similarity")
    axes.set(xlabel="Input patch column", ylabel="Input patch row")
    axes.set_title(shortened(title, 60), fontsize=11, parse_math=False)
    return figure


def relative_positions(biases: np.ndarray, title: str) -> Figure:
    """Draw the mean bias of attention for each offset between two patches.

    Args:
        biases: `(L, H, 2 N - 1)` for L layers, H heads and N patches, the
            offset of -(N - 1) first.
        title: a line.
    """
    layers, heads, offsets = biases.shape
    figure = new_figure(8, min(1.6 + 0.16 * layers * (heads + 1), 12))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    most = max(float(np.abs(biases).max()), 1e-9)
    far, end = offsets // 2, layers * (heads + 1) - 1
    shown = axes.imshow(
        mosaic(biases[:, None], 1),
        cmap="viridis",
        vmin=-most,
        vmax=most,
        aspect="auto",
        interpolation="nearest",
        extent=(-far - 0.5, far + 0.5, end - 0.5, -0.5),
    )
    some = spread(layers, MOST_PLACES)
    axes.set_yticks(middles(layers, heads)[some], some + 1)
    axes.spines[:].set_visible(False)
    axes.set(ylabel="Network depth (layer), one line per head")
    axes.set(xlabel="Offset from key to query (patches, row by row)")
    axes.set_title(shortened(title, 70), fontsize=11, parse_math=False)
    figure.colorbar(shown, label="Mean bias of attention logits")
    return figure


def relative_biases(biases: np.ndarray, title: str) -> Figure:
    """Draw the bias of attention for each offset between two patches.

    Args:
        biases: `(L, H, 2 h - 1, 2 w - 1)` for L layers, H heads and a grid of
            h x w patches; of many layers and heads, some are left out.
        title: a line.
    """
    most = max(float(np.abs(biases).max()), 1e-9)
    figure, axes = _tiled(biases, most, "Bias of attention logits")
    axes.set(xlabel="Head", ylabel="Network depth (layer)")
    axes.set_title(shortened(title, 60), fontsize=11, parse_math=False)
    return figure


def _tiled(tiles: np.ndarray, most: float, label: str) -> tuple[Figure, Any]:
    """Draw `(m, n, h, w)` numbers in [-most, most] as m rows of n tiles."""
    rows, columns = tiles.shape[2:]
    down, along = (spread(count, MOST_PLACES) for count in tiles.shape[:2])
    gap = max(round(max(rows, columns) / 8), 1)
    aspect = (len(down) * rows) / (len(along) * columns)
    side = 6 / max(1, aspect)
    figure = new_figure(side + 1.9, max(side * aspect, 1) + 0.8, layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(
        mosaic(tiles[np.ix_(down, along)], gap),
        cmap="viridis",
        vmin=-most,
        vmax=most,
        interpolation="nearest",
    )
    axes.set_xticks(middles(len(along), columns, gap), along + 1)
    axes.set_yticks(middles(len(down), rows, gap), down + 1)
    axes.tick_params(length=0, labelsize=8)
    axes.spines[:].set_visible(False)
    figure.colorbar(shown, label=label, shrink=0.85)
    return figure, axes
