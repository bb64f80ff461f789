"""An inspection as one HTML file that loads nothing from a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from html import escape

from keras_vit import report_page
from keras_vit.report_page import Picture, Table, section


@dataclass(frozen=True)
class PageFigure:
    """A figure in the page.

    Attributes:
        name: stem of its files, which lie beside the page.
        title: a few words.
        meaning: how it is read.
        description: its main numbers in a sentence.
        png: the picture, bytes of a file.
        size: of that, (width, height) in pixels.
        files: names of its files.
    """

    name: str
    title: str
    meaning: str
    _: KW_ONLY
    description: str
    png: bytes
    size: tuple[int, int]
    files: tuple[str, ...]


def page(
    title: str,
    images: tuple[str, Sequence[str]],
    *,
    facts: Mapping[str, str],
    figures: Sequence[PageFigure],
    skipped: Mapping[str, str],
    table: Table,
) -> str:
    """Return an inspection as HTML.

    Args:
        title: a line.
        images: a sentence about them, and the names of all.
        facts: texts by their names.
        figures: in the order of the page.
        skipped: why a figure is not there, by its title.
        table: of layers.

    Returns:
        A text that contains all its pictures. It links to nothing but the files
        beside it.
    """
    titles = {one.name: one.title for one in figures} | {"layers": "Layers"}
    parts = [
        _images(*images),
        report_page.facts(facts),
        report_page.contents("Figures", titles),
        *map(_figure, figures),
        _skipped(skipped),
        section("layers", "Layers", report_page.table(table, "Layers")),
    ]
    return report_page.document(title, parts)


def _images(sentence: str, names: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    return (
        f'<p>{escape(sentence)}</p>\n<details class="small">'
        f"<summary>Names of the images</summary>\n<ol>{items}</ol>\n</details>"
    )


def _figure(one: PageFigure) -> str:
    picture = Picture(one.png, one.size, f"{one.title}. {one.description}")
    return section(
        one.name,
        one.title,
        report_page.paragraph(one.meaning),
        report_page.figure(picture, one.name, one.description),
        report_page.files(one.files),
    )


def _skipped(reasons: Mapping[str, str]) -> str:
    if not reasons:
        return ""
    items = [
        f"<li>{escape(title)}: {escape(why)}.</li>" for title, why in reasons.items()
    ]
    return section("skipped", "Skipped figures", "<ul>", *items, "</ul>")
