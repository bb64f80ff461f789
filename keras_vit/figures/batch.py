"""Images of a batch, as the model is trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_vit.figures.drawing import Figure, new_figure, shortened

COLUMNS = 8
SIDE = 1.15  # inches: the longer side of an image
GAP, LINE, TITLE = 0.12, 0.13, 0.4  # inches: between images, a line of text, the title
WIDTH = 4  # inches, at least
LETTERS = 17  # in a line of text below an image
LETTERS_AN_INCH = 13  # in the title
MOST_LINES = 2  # of text below an image


def training_batch(
    images: np.ndarray, captions: Sequence[Sequence[str]], title: str
) -> Figure:
    """Draw images in a grid, each with lines of text below it.

    Args:
        images: `(n, h, w, 3)`, RGB pixels in [0, 255].
        captions: for each image up to two lines; those too long are cut off.
        title: a line.
    """
    count, height, width, _ = images.shape
    side = max(height, width)  # of a cell: as wide for text below narrow images
    scale = side / SIDE  # pixels an inch
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    lines = min(max(map(len, captions), default=0), MOST_LINES)
    across = side + round(GAP * scale)
    down = height + round((GAP + lines * LINE) * scale)
    canvas = np.full((rows * down, columns * across, 3), 255, np.uint8)
    inches = max(canvas.shape[1] / scale, WIDTH), canvas.shape[0] / scale + TITLE
    figure = new_figure(*inches)
    share = 1 - TITLE / inches[1]
    axes = figure.add_axes((GAP / inches[0], 0, 1 - GAP / inches[0], share), anchor="W")
    axes.set_axis_off()
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        top, start = number // columns * down, number % columns * across
        left = start + (side - width) // 2
        canvas[top : top + height, left : left + width] = np.clip(image, 0, 255)
        for line, text in enumerate(caption[:MOST_LINES], 1):
            axes.text(
                start + side / 2,
                top + height + line * LINE * scale,
                shortened(text, LETTERS),
                ha="center",
                va="baseline",
                fontsize=7,
                parse_math=False,
            )
    axes.imshow(
        canvas, interpolation="nearest", extent=(0, canvas.shape[1], canvas.shape[0], 0)
    )
    figure.text(
        GAP / inches[0],
        1 - TITLE / 2 / inches[1],
        shortened(title, int(LETTERS_AN_INCH * inches[0])),
        va="center",
        fontsize=9,
        parse_math=False,
    )
    return figure
