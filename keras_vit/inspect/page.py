"""An inspection as one HTML file that loads nothing from a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
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
tfoot td { font-weight: 600; border: 0; }
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


Cell: TypeAlias = str | int


class Table(NamedTuple):
    """A table of the page.

    Attributes:
        caption: a sentence.
        columns: their names.
        rows: of texts and numbers.
        totals: the last row.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Cell]


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
    parts = [
        _images(*images),
        _facts(facts),
        _contents(figures),
        *map(_figure, figures),
        _skipped(skipped),
        _table(table),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(title)}</h1>\n</header>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _images(sentence: str, names: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(name)}</li>" for name in names)
    return (
        f'<p>{escape(sentence)}</p>\n<details class="small">'
        f"<summary>Names of the images</summary>\n<ol>{items}</ol>\n</details>"
    )


def _facts(facts: Mapping[str, str]) -> str:
    items = [
        f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
        for name, text in facts.items()
    ]
    return "<dl>\n" + "\n".join(items) + "\n</dl>"


def _contents(figures: Sequence[PageFigure]) -> str:
    links = [
        f'<li><a href="#{one.name}">{escape(one.title)}</a></li>' for one in figures
    ]
    links.append('<li><a href="#layers">Layers</a></li>')
    return '<nav aria-label="Figures">\n<ul>\n' + "\n".join(links) + "\n</ul>\n</nav>"


def _figure(one: PageFigure) -> str:
    width, height = one.size
    data = base64.b64encode(one.png).decode()
    alt = escape(f"{one.title}. {one.description}")
    files = ", ".join(
        f'<a href="{escape(name)}">{escape(name)}</a>' for name in one.files
    )
    # As wide as it is in print, at 96 pixels an inch; its file has more of them.
    return (
        f'<section id="{one.name}">\n<h2>{escape(one.title)}</h2>\n'
        f"<p>{escape(one.meaning)}</p>\n<figure>\n"
        f'<div class="scroll" tabindex="0" role="group" aria-label="{one.name}">'
        f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
        f'alt="{alt}"></div>\n<figcaption><p>{escape(one.description)}</p></figcaption>\n'
        f'</figure>\n<p class="quiet small">Files: {files}</p>\n</section>'
    )


def _skipped(reasons: Mapping[str, str]) -> str:
    if not reasons:
        return ""
    items = [
        f"<li>{escape(title)}: {escape(why)}.</li>" for title, why in reasons.items()
    ]
    return (
        '<section id="skipped">\n<h2>Skipped figures</h2>\n<ul>\n'
        + "\n".join(items)
        + "\n</ul>\n</section>"
    )


def _table(table: Table) -> str:
    caption, columns, rows, totals = table
    head = "".join(
        f'<th scope="col"{_aligned(totals[number])}>{escape(name)}</th>'
        for number, name in enumerate(columns)
    )
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        '<section id="layers">\n<h2>Layers</h2>\n'
        '<div class="scroll" tabindex="0" role="group" aria-label="Layers">\n<table>\n'
        f'<caption class="quiet small">{escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        f"<tfoot><tr>{''.join(map(_cell, totals))}</tr></tfoot>\n"
        "</table>\n</div>\n</section>"
    )


def _cell(value: Cell) -> str:
    text = value if isinstance(value, str) else f"{value:,}"
    return f"<td{_aligned(value)}>{escape(text)}</td>"


def _aligned(value: Cell) -> str:
    return "" if isinstance(value, str) else ' class="number"'
