"""The HTML of reports: pages of one file that load nothing from a network.

`templates/report.html` is the page, and `templates/report.css` its style.
"""

from __future__ import annotations

import base64
import functools
import math
import os
import pathlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import jinja2

CSS_PIXELS = 96  # an inch
Cell: TypeAlias = str | int | float


class Table(NamedTuple):
    """A table of a page.

    Attributes:
        caption: a sentence.
        columns: their names.
        rows: of texts, counts, and numbers that are shown with two decimals, or not
            at all where they are NaN; the first of each is what the row is about.
        totals: the last row; none by default.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Cell] = ()


class Picture(NamedTuple):
    """A picture in a page.

    Attributes:
        png: bytes of a file.
        size: (width, height) as it is shown, in CSS pixels, 96 an inch.
    """

    png: bytes
    size: tuple[int, int]

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], dpi: float) -> Picture:
        """Return the picture of a PNG file, as large as it is in print.

        Args:
            path: of the file.
            dpi: its pixels an inch.
        """
        png = pathlib.Path(path).read_bytes()
        width, height = struct.unpack(">II", png[16:24])
        scale = CSS_PIXELS / dpi
        return cls(png, (round(scale * width), round(scale * height)))

    @property
    def base64(self) -> str:
        """The file, as a page holds it."""
        return base64.b64encode(self.png).decode()


class Gallery(NamedTuple):
    """Pictures under a heading, side by side as far as the screen is wide.

    Attributes:
        title: a few words.
        items: for each a caption, and one picture or two, each with what it
            shows, for who does not see it.
    """

    title: str
    items: Sequence[tuple[str, Sequence[tuple[Picture, str]]]]


@dataclass(frozen=True)
class Section:
    """A section of a page. What it holds follows in this order.

    Attributes:
        name: by which it is linked to.
        title: a few words.
        texts: paragraphs.
        figure: a picture that scrolls where the screen is too narrow for it.
        caption: of the figure, a sentence.
        galleries: of small pictures.
        points: of a list.
        files: names of files beside the page.
        table: a `Table`.
    """

    name: str
    title: str
    _: KW_ONLY
    texts: Sequence[str] = ()
    figure: Picture | None = None
    caption: str = ""
    galleries: Sequence[Gallery] = ()
    points: Sequence[str] = ()
    files: Sequence[str] = ()
    table: Table | None = None


def page(
    title: str,
    summary: Sequence[str],
    facts: Mapping[str, str],
    sections: Sequence[Section],
    *,
    image_names: Sequence[str] = (),
) -> str:
    """Return a page as HTML.

    Args:
        title: a line.
        summary: paragraphs that it begins with.
        facts: short texts by their names.
        sections: in order.
        image_names: of the images it is about.

    Returns:
        A text that contains all its pictures. Nothing in it is fetched or run, and
        it links to nothing but the files beside it.

    Example:

    >>> page("My <run>", ["Done."], {}, []).count("My &lt;run&gt;")
    2
    """
    template = _environment().get_template("report.html")
    return template.render(
        title=title,
        summary=summary,
        facts=facts,
        sections=sections,
        image_names=image_names,
    )


@functools.cache
def _environment() -> jinja2.Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("keras_vit"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _text
    return environment


def _text(value: Cell) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.2f}"
    return value if isinstance(value, str) else f"{value:,}"
