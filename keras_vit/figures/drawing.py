"""What all figures have in common: a canvas, colours, letters, a file."""

import os
import textwrap
import warnings

from matplotlib import patheffects, rc_context
from matplotlib.figure import Figure

from keras_vit.files import written_whole

DPI = 150
MOST_LEGIBLE = 40  # classes
UNDATED = {".svg": {"Date": None}}
# Told apart by colour-blind eyes too.
TRAINING, VALIDATION, TEST = "#0072b2", "#009e73", "#d55e00"

HALO = [patheffects.withStroke(linewidth=3, foreground="white")]  # of letters on points


def new_figure(width, height, **options):
    """An empty figure, of so many inches."""
    return Figure(figsize=(width, height), **options)


def write(figure, path):
    """Writes a figure in the format of the path's suffix.

    The same figure gives the same file: an SVG has no date, and letters that
    are drawn.
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


def shortened(text, width, lines=1):
    """Breaks a text into so many lines of so many letters and cuts off the rest.

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
