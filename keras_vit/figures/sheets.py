"""A contact sheet: small images of each class."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from keras_vit.figures.drawing import DPI, Figure, new_figure, shortened

GAP, NAME, TITLE = 8, 260, 60  # pixels: between images, for a class's name, the title
NAME_LINE = 22  # pixels
LETTER, TITLE_LINE = 13, 26  # pixels, of the title; of each line after its first


def contact_sheet(
    lines: Sequence[tuple[str, Sequence[np.ndarray]]],
    columns: int,
    cell: int,
    title: str,
) -> Figure:
    """Draw images of each class beside its name, pixel for pixel.

    Args:
        lines: for each class its name and uint8 images `(h, w, 3)`.
        columns: of classes beside each other.
        cell: the most pixels an image is high and wide.
        title: a text, broken into lines if it is wider than the images.
    """
    step, down = cell + GAP, -(-len(lines) // columns)
    column = NAME + step * max(1, *(len(images) for _, images in lines))
    width, height = columns * column, down * step
    wrapped = textwrap.wrap(title, width // LETTER)
    above = TITLE + TITLE_LINE * (len(wrapped) - 1)
    figure = new_figure(width / DPI, (height + above) / DPI)
    axes = figure.add_axes((0, 0, 1, height / (height + above)))
    axes.set_axis_off()
    canvas = np.full((height, width, 3), 255, np.uint8)
    for number, (name, images) in enumerate(lines):
        left = number // down * column + NAME
        top = number % down * step
        for image in images:
            _put(canvas[top : top + step, left : left + step], image)
            left += step
        start = number // down * column + NAME - GAP
        axes.text(
            start,
            top + step / 2,
            shortened(name, 20, lines=lines_beside(cell)),
            ha="right",
            va="center",
            fontsize=8,
            parse_math=False,
        )
    axes.imshow(canvas, interpolation="nearest", extent=(0, width, height, 0))
    figure.text(
        GAP / width,
        1 - above / 2 / (height + above),
        "\n".join(wrapped),
        va="center",
        fontsize=10,
        parse_math=False,
    )
    return figure


def lines_beside(cell: int) -> int:
    """Return how many lines of a name fit beside images of `cell` pixels."""
    return max((cell + GAP) // NAME_LINE, 3)


def _put(cell, image):
    """Puts an image into the middle of its cell."""
    top, left = ((cell.shape[axis] - image.shape[axis]) // 2 for axis in (0, 1))
    cell[top : top + image.shape[0], left : left + image.shape[1]] = image
