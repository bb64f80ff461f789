"""The HTML of reports: pages of one file that load nothing from a network."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple, TypeAlias

# Nothing may be fetched or run, whatever a name in the page contains.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f3f4f8; --text: #1b1d25; --quiet: #565b6b;
  --line: #c9cdd8; --accent: #3451b2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14161c; --raised: #1f222b; --text: #eceef4; --quiet: #a9afbf;
    --line: #3b404d; --accent: #9db2ff;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0 auto; max-width: 66rem; padding: 1.5rem 1rem 4rem;
  background: var(--ground); color: var(--text); font: 1rem/1.55 system-ui, sans-serif;
  overflow-wrap: anywhere;
}
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; }
h2 { margin: 0 0 0.4rem; font-size: 1.2rem; line-height: 1.3; }
p { margin: 0.4rem 0; max-width: 46rem; }
a { color: var(--accent); }
.quiet { color: var(--quiet); }
.small { font-size: 0.875rem; }
dl {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));
  gap: 0.5rem; margin: 1.25rem 0;
}
dl > div { padding: 0.6rem 0.8rem; border-radius: 0.5rem; background: var(--raised); }
dt { color: var(--quiet); font-size: 0.8125rem; }
dd { margin: 0; font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; margin: 0; padding: 0; }
nav li { list-style: none; }
section { margin-top: 2.25rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
figure { margin: 0.9rem 0 0.5rem; }
.scroll { overflow-x: auto; border-radius: 0.5rem; }
.scroll:focus-visible, a:focus-visible { outline: 2px solid var(--accent); }
figure .scroll { padding: 0.75rem; background: #ffffff; border: 1px solid var(--line); }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 0.4rem; text-align: left; }
th, td { padding: 0.25rem 0.9rem 0.25rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-size: 0.8125rem; text-align: left; white-space: nowrap; }
td { white-space: nowrap; }
.number { text-align: right; }
tbody th, tfoot th {
  min-width: 8rem; color: inherit; font-size: inherit; font-weight: inherit;
  white-space: normal;
}
tfoot td, tfoot th { font-weight: 600; border: 0; }
h3 { margin: 1.4rem 0 0.4rem; font-size: 1rem; line-height: 1.3; }
.pictures {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: 0.75rem; margin: 0; padding: 0; list-style: none;
}
.pictures figure { margin: 0; }
.pictures div { display: grid; grid-template-columns: 1fr 1fr; gap: 0.25rem; }
.pictures img { width: 100%; max-width: 10rem; margin: 0; image-rendering: pixelated; }
@media (max-width: 40rem) {
  img { max-width: max(100%, 34rem); }
  figure .scroll { padding: 0.25rem; }
}
@media print {
  body { max-width: none; padding: 0; }
  section { break-inside: avoid; }
  nav { display: none; }
}
"""


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


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        png: bytes of a file.
        size: (width, height) as it is shown, in CSS pixels, 96 an inch.
        description: what it shows, for who does not see it.
    """

    png: bytes
    size: tuple[int, int]
    description: str

    def html(self) -> str:
        """Return the element that shows it."""
        width, height = self.size
        data = base64.b64encode(self.png).decode()
        return (
            f'<img src="data:image/png;base64,{data}" width="{width}" '
            f'height="{height}" alt="{escape(self.description)}">'
        )


def document(title: str, parts: Iterable[str]) -> str:
    """Return a page.

    Args:
        title: a line.
        parts: of its body, HTML; empty ones are left out.

    Returns:
        A text that contains all its pictures. Nothing in it is fetched or run.

    Example:

    >>> document("My <run>", ["<p>1</p>"]).count("My &lt;run&gt;")
    2
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(title)}</h1>\n</header>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def facts(texts: Mapping[str, str]) -> str:
    """Return a list of short texts by their names."""
    items = [
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
        for name, text in texts.items()
    ]
    return "<dl>\n" + "\n".join(items) + "\n</dl>"


def contents(label: str, titles: Mapping[str, str]) -> str:
    """Return links to the sections of a page.

    Args:
        label: what they are.
        titles: of the sections, by their names.
    """
    links = [
        f'<li><a href="#{name}">{escape(title)}</a></li>'
        for name, title in titles.items()
    ]
    items = "\n".join(links)
    return f'<nav aria-label="{escape(label)}">\n<ul>\n{items}\n</ul>\n</nav>'


def section(name: str, title: str, *parts: str) -> str:
    """Return a section.

    Args:
        name: by which it is linked to.
        title: a few words.
        *parts: HTML; empty ones are left out.
    """
    body = "\n".join(part for part in parts if part)
    return f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{body}\n</section>'


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph; `kind` names classes of the style, such as `quiet`."""
    return f"<p{_kind(kind)}>{escape(text)}</p>"


def figure(picture: Picture, label: str, caption: str) -> str:
    """Return a figure that scrolls where the screen is too narrow for it.

    Args:
        picture: a `Picture`.
        label: a name of what scrolls.
        caption: a sentence.
    """
    return (
        f"<figure>\n{_scrolling(label, picture.html())}\n"
        f"<figcaption><p>{escape(caption)}</p></figcaption>\n</figure>"
    )


def gallery(title: str, items: Iterable[tuple[str, Sequence[Picture]]]) -> str:
    """Return pictures under a heading, side by side as far as the screen is wide.

    Args:
        title: a few words.
        items: for each a caption, and one picture or two.
    """
    entries = "\n".join(
        f"<li><figure><div>{''.join(one.html() for one in pictures)}</div>"
        f'<figcaption class="quiet small">{escape(caption)}</figcaption></figure></li>'
        for caption, pictures in items
    )
    return f'<h3>{escape(title)}</h3>\n<ul class="pictures">\n{entries}\n</ul>'


def files(names: Iterable[str]) -> str:
    """Return links to files beside the page."""
    links = ", ".join(f'<a href="{escape(name)}">{escape(name)}</a>' for name in names)
    return f'<p class="quiet small">Files: {links}</p>'


def table(content: Table, label: str) -> str:
    """Return a table that scrolls where the screen is too narrow for it.

    Args:
        content: a `Table`.
        label: a name of what scrolls.
    """
    caption, columns, rows, totals = content
    like = totals or (rows[0] if rows else ("",) * len(columns))
    head = "".join(
        f'<th scope="col"{_aligned(cell)}>{escape(name)}</th>'
        for name, cell in zip(columns, like, strict=True)
    )
    body = "\n".join(map(_row, rows))
    foot = f"<tfoot>{_row(totals)}</tfoot>\n" if totals else ""
    return _scrolling(
        label,
        f'\n<table>\n<caption class="quiet small">{escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        f"{foot}</table>\n",
    )


def _scrolling(label: str, content: str) -> str:
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(label)}">'
        f"{content}</div>"
    )


def _row(cells: Sequence[Cell]) -> str:
    first, *others = cells
    return (
        f'<tr><th scope="row">{escape(_text(first))}</th>'
        f"{''.join(map(_cell, others))}</tr>"
    )


def _cell(value: Cell) -> str:
    return f"<td{_aligned(value)}>{escape(_text(value))}</td>"


def _text(value: Cell) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.2f}"
    return value if isinstance(value, str) else f"{value:,}"


def _aligned(value: Cell) -> str:
    return "" if isinstance(value, str) else _kind("number")


def _kind(names: str) -> str:
    return f' class="{names}"' if names else ""
