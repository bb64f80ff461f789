"""Counts of a data set's images by class, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_vit.figures.drawing import (
    MOST_LEGIBLE,
    TEST,
    TRAINING,
    VALIDATION,
    Figure,
    new_figure,
    shortened,
)

MARKS = {  # of a split: its colour, its points, its line
    "train": (TRAINING, "o", "-"),
    "validation": (VALIDATION, "^", ":"),
    "test": (TEST, "s", "--"),
}
WIDE = 30  # times the smallest, above which a scale is logarithmic
MOST_POINTS = 200  # sizes shown one by one
COUNT = "{x:,.0f}"


def data_histograms(
    counts: Mapping[str, Sequence[int]],
    class_names: Sequence[str],
    sizes: np.ndarray,
    images: np.ndarray,
    title: str,
) -> Figure:
    """Draw the counts of images by class, and their sizes.

    Up to `MOST_LEGIBLE` classes are named; of more, the counts are shown from
    the largest to the smallest. If all images have one size, the title names it.

    Args:
        counts: K counts for each of the splits of `MARKS`, by its name.
        class_names: K of them.
        sizes: `(s, 2)` different widths and heights in pixels.
        images: `(s,)`, the count of images of each size.
        title: a line.
    """
    named, several = len(class_names) <= MOST_LEGIBLE, len(sizes) > 1
    height = 1.6 + 0.24 * len(class_names) if named else 0
    height = max(height, 4.8 if several or not named else 0)
    figure = new_figure(11 if several else 7, height, layout="constrained")
    left, *right = figure.subplots(1, 1 + several, squeeze=False)[0]
    (_named_classes if named else _ranked_classes)(left, counts, class_names)
    left.set_title("Images per class")
    left.grid(alpha=0.3)
    figure.legend(frameon=False, loc="outside lower left", ncols=len(counts))
    if several:
        _sizes(figure, right[0], sizes, images)
    elif len(sizes):
        title += f": all images of {sizes[0, 0]} x {sizes[0, 1]} pixels"
    figure.suptitle(shortened(title, 70), fontsize=11, parse_math=False)
    return figure


def _named_classes(axes, counts, class_names):
    places = np.arange(len(class_names))
    for number, (split, values) in enumerate(counts.items()):
        colour, marker, _ = MARKS[split]
        beside = 0.2 * (number - (len(counts) - 1) / 2)  # so that none hides another
        axes.plot(values, places + beside, marker, ms=5, color=colour, label=split)
    names = [shortened(name, 24) for name in class_names]
    axes.set_yticks(places, names, parse_math=False)
    axes.set(xlabel="Images", ylim=(len(names) - 0.4, -0.6))
    _scale(axes, "x", counts)


def _ranked_classes(axes, counts, class_names):
    places = np.arange(1, len(class_names) + 1)
    for split, values in counts.items():
        colour, _, style = MARKS[split]
        values = sorted(values, reverse=True)
        axes.plot(places, values, style, color=colour, label=split)
    axes.set(xlabel="Classes by image count", ylabel="Images", xlim=(0, places[-1]))
    _scale(axes, "y", counts)


def _scale(axes, direction, counts):
    """Gives an axis a scale for counts, with 0 on it."""
    everything = np.concatenate([*counts.values()])
    largest, axis = max(everything.max(), 1), getattr(axes, f"{direction}axis")
    if largest > WIDE * max(everything.min(), 1):
        getattr(axes, f"set_{direction}scale")("symlog", linthresh=1)
        limits = (-0.2, 1.6 * largest)
    else:
        axis.get_major_locator().set_params(integer=True)
        limits = (-0.02 * largest, 1.06 * largest)
    axes.set(**{f"{direction}lim": limits})
    axis.set_major_formatter(COUNT)


def _sizes(figure, axes, sizes, images):
    low, high = sizes.min(), sizes.max()
    wide = high > WIDE * low
    limits = (low / 1.3, high * 1.3) if wide else (0, 1.06 * high)
    axes.set(xlim=limits, ylim=limits, title="Sizes of images")
    axes.set(xlabel="Width (pixels)", ylabel="Height (pixels)")
    if wide:
        axes.set(xscale="log", yscale="log")
    if len(sizes) > MOST_POINTS:
        shown, label = _hexagons(axes, sizes, images), "Images (sizes are pooled)"
    else:
        shown, label = _points(axes, sizes, images), "Images of this size"
    bar = figure.colorbar(shown, label=label, shrink=0.8, format=COUNT)
    if bar.ax.get_yscale() == "linear":
        bar.ax.yaxis.get_major_locator().set_params(integer=True)
    axes.plot(limits, limits, color="0.6", lw=0.8, zorder=0)  # squares
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(COUNT)
    axes.set_box_aspect(1)
    axes.set_anchor("N")
    axes.grid(alpha=0.3)


def _points(axes, sizes, images):
    order = np.argsort(images, kind="stable")  # the commonest on top
    return axes.scatter(
        *sizes[order].T,
        c=images[order],
        s=22,
        cmap="viridis_r",
        norm="log" if images.max() > WIDE else "linear",
        edgecolors="0.3",
        linewidths=0.3,
    )


def _hexagons(axes, sizes, images):
    scale, (low, high) = axes.get_xscale(), axes.get_xlim()
    if scale == "log":
        low, high = np.log10(low), np.log10(high)
    return axes.hexbin(
        *sizes.T,
        C=images,
        reduce_C_function=np.sum,
        gridsize=45,
        xscale=scale,
        yscale=scale,
        extent=(low, high, low, high),
        cmap="viridis_r",
        norm="log",
        linewidths=0.1,
    )
