"""An evaluation as files."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from keras_vit import figures
from keras_vit.evaluation.evaluated import Evaluation, none_if_nan
from keras_vit.evaluation.parts import Part
from keras_vit.files import write_csv, write_json, written_whole

NAMES = "surrogateescape"  # as the file system has them, whatever their bytes are
MOST_ROWS = 20  # of a table in report.md; all of them are in its CSV file


def numbers_of(evaluation: Evaluation, class_names: Sequence[str]) -> dict[str, Any]:
    """Return an `Evaluation` as JSON can hold it."""
    confusion, ranking = evaluation.confusion, evaluation.ranking
    numbers = dataclasses.asdict(evaluation)
    del numbers["mistakes"]  # of single images
    numbers["ranking"] = None
    if ranking is not None:
        numbers["ranking"] = {
            name: None if values is None else [*map(none_if_nan, values)]
            for name, values in vars(ranking).items()
        }
    if not evaluation.has_top5:
        del numbers["top5"]
    derived = (
        "macro_f1",
        "mean_average_precision",
        "auroc",
        "without_auroc",
        "sensitivity",
        "specificity",
        "majority_share",
        "intervals",
        "class_intervals",
    )
    return numbers | {
        **{name: getattr(evaluation, name) for name in derived},
        "class_names": list(class_names),
        "classes": evaluation.classes.tolist(),
        "confusion": None if confusion is None else confusion.tolist(),
    }


def write_report(
    evaluation: Evaluation,
    class_names: Sequence[str],
    folder: str | os.PathLike[str],
) -> None:
    """Write `evaluation.json` and `confusion_matrix.png` into a folder.

    There is no picture of an evaluation without a confusion matrix.
    """
    folder, confusion = pathlib.Path(folder).expanduser(), evaluation.confusion
    numbers = numbers_of(evaluation, class_names)
    write_json(folder / "evaluation.json", numbers, indent=None, allow_nan=False)
    if confusion is not None:
        figure = figures.confusion_matrix(confusion, class_names)
        figures.write(figure, folder / "confusion_matrix.png")


def write_parts(
    parts: Iterable[Part],
    folder: str | os.PathLike[str],
    title: str,
    facts: dict[str, Any],
) -> list[str]:
    """Write measurements as JSON, CSV, Markdown, PNG and SVG.

    Each part is written as soon as it is measured, and the files of all parts
    are written again: an interruption loses no finished part.

    Args:
        parts: an iterable of `Part`, which may measure them one by one.
        folder: where `evaluation.json`, `report.md`, for each part
            `<name>.csv`, and for each figure `<stem>.png` and `<stem>.svg` go.
        title: of `report.md`.
        facts: what else `evaluation.json` holds: a dict of text and numbers.

    Returns:
        The names of the files, in order.
    """
    folder = pathlib.Path(folder).expanduser()
    written, names = [], ["evaluation.json", "report.md"]
    for part in parts:
        written.append(part)
        names += _write_part(part, folder)
        tables = {
            one.name: {"title": one.title, "rows": list(one.rows)} for one in written
        }
        with written_whole(folder / "report.md") as scratch:
            text = _markdown(written, title)
            scratch.write_text(text, encoding="utf-8", errors=NAMES)
        numbers = facts | {"parts": tables}
        write_json(folder / "evaluation.json", numbers, indent=None, allow_nan=False)
    return names if written else []


def _write_part(part: Part, folder: pathlib.Path) -> list[str]:
    """Write a part's table and figures, and return the names of their files."""
    names = [f"{part.name}.csv"]
    write_csv(folder / names[-1], part.rows, part.columns)
    for stem, draw in part.figures.items():
        figure = draw()
        for suffix in (".png", ".svg"):
            names.append(f"{stem}{suffix}")
            figures.write(figure, folder / names[-1])
    return names


def _markdown(parts: Iterable[Part], title: str) -> str:
    lines = [f"# {title}", ""]
    for part in parts:
        lines += [f"## {part.name}: {part.title}", "", *_table(part), ""]
        for stem in part.figures:
            lines += [f"![{stem}]({stem}.png)", ""]
    return "\n".join(lines)


def _table(part: Part) -> list[str]:
    if not part.rows:
        return ["No rows."]
    lines = [_line(part.columns), _line(["---"] * len(part.columns))]
    lines += [_line(map(_cell, row.values())) for row in part.rows[:MOST_ROWS]]
    more = len(part.rows) - MOST_ROWS
    if more > 0:
        lines += ["", f"And {more:,} more in [{part.name}.csv]({part.name}.csv)."]
    return lines


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|")
