"""What all figures share: an empty figure, colours, text, a file."""

from __future__ import annotations

import io
import os
import textwrap
import warnings
from typing import Any

import numpy as np
from matplotlib import colormaps, patheffects, rc_context
from matplotlib.figure import Figure
from matplotlib.image import imsave

from keras_vit.files import written_whole

DPI = 150
MOST_LEGIBLE = 40  # classes
UNDATED = {".svg": {"Date": None}}
# Told apart by colour-blind eyes too.
TRAINING, VALIDATION, TEST = "#0072b2", "#009e73", "#d55e00"

HALO = [patheffects.withStroke(linewidth=3, foreground="white")]  # of letters on points


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """Return an empty figure, its size in inches."""
    return Figure(figsize=(width, height), **options)


def write(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure in the format of the path's suffix.

    Equal figures give equal files: an SVG has no date, and its text is paths.
    """
    suffix = os.path.splitext(path)[1]
    with (
        written_whole(path) as scratch,
        warnings.catch_warnings(),
        rc_context({"svg.hashsalt": "keras_vit"}),
    ):
        # Names in a script that the font lacks are shown as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(scratch, dpi=DPI, metadata=UNDATED.get(suffix))


def coloured(values: np.ndarray, colours: str) -> np.ndarray:
    """Return values in [0, 1] as RGB pixels in [0, 255], floats `(..., 3)`.

    Args:
        values: of any shape.
        colours: the name of a scale of matplotlib's, such as `"viridis"`.
    """
    return 255 * colormaps[colours](values)[..., :3]


def png_of(pixels: np.ndarray) -> bytes:
    """Return pixels, uint8 `(h, w, 3)`, as the bytes of a PNG file.

    Example:

    >>> png_of(np.zeros((2, 3, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    stream = io.BytesIO()
    imsave(stream, pixels, format="png")
    return stream.getvalue()


def shortened(text: str, width: int, lines: int = 1) -> str:
    """Break a text into at most `lines` lines of `width` letters; cut off the rest.

    Example:

    >>> shortened("a lizard: banded_gecko", 12)
    'a lizard: b…'
    >>> print(shortened("a lizard: banded_gecko", 12, lines=2))
    a lizard:
    banded_gecko
    """
    if lines == 1:
        return text if len(text) <= width else text[: width - 1] + "…"
    parts = textwrap.wrap(text, width, max_lines=lines, placeholder="…")
    return "\n".join(parts)
