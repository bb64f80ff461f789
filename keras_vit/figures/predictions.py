"""A picture with its predicted labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_vit.figures.drawing import DPI, Figure, new_figure, shortened

LONG_SIDE = 900  # pixels of the picture's longer side, in the file
LINE, MARGIN, LETTER = 26, 12, 9  # pixels: a line of text, around all, of a letter
NARROWEST = 320  # pixels that the text is given


def labelled_picture(image: np.ndarray, lines: Sequence[str]) -> Figure:
    """Draw a whole picture, its aspect kept, under lines of text.

    Args:
        image: uint8 pixels `(height, width, 3)`.
        lines: the text, the likeliest class first, which is drawn bold.
    """
    scale = LONG_SIDE / max(image.shape[:2])
    height, width = (max(round(scale * side), 1) for side in image.shape[:2])
    whole = max(width, NARROWEST) + 2 * MARGIN
    above = LINE * len(lines) + 2 * MARGIN
    figure = new_figure(whole / DPI, (height + above + MARGIN) / DPI)
    total = height + above + MARGIN
    for number, line in enumerate(lines):
        figure.text(
            MARGIN / whole,
            1 - (MARGIN + (number + 0.5) * LINE) / total,
            shortened(line, (whole - 2 * MARGIN) // LETTER),
            va="center",
            fontsize=8,
            fontweight="normal" if number else "bold",
            parse_math=False,
        )
    axes = figure.add_axes(
        (MARGIN / whole, MARGIN / total, width / whole, height / total)
    )
    axes.set_axis_off()
    near = max(image.shape[:2]) < LONG_SIDE / 4  # pixels stay seen as such
    axes.imshow(
        image, interpolation="nearest" if near else "antialiased", aspect="auto"
    )
    return figure
