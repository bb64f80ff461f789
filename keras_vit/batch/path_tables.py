"""A table that names images -> their paths, a line at a time."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from typing import IO

from keras_vit.batch import filesystem
from keras_vit.batch.parquet import column_of
from keras_vit.data.columns import ID, PATH, plain
from keras_vit.data.images import SUFFIXES as OF_IMAGES

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".txt", ".parquet")
_DELIMITERS = ",;\t"


def paths_in_table(
    path: str, column: str = "", data_dir: str | None = None
) -> Iterator[str]:
    """Yield the paths that a table names, in its order.

    Args:
        path: of a `.csv` or `.tsv` table with or without a header, of a `.jsonl`
            or `.json` list of objects or paths, of a `.parquet` table, or of a
            `.txt` file with a path a line.
        column: of the path; `""`: the first that is called as one usually is.
        data_dir: the folder that relative paths start from; the table's own by
            default.

    Raises:
        ValueError: if no column is known to hold paths.

    Example:

    >>> with open("two.csv", "w") as file:
    ...     _ = file.write("filename,label\\na.jpg,cat\\nb.jpg,dog\\n")
    >>> [os.path.basename(one) for one in paths_in_table("two.csv")]
    ['a.jpg', 'b.jpg']
    """
    suffix = os.path.splitext(path)[1].lower()
    folder = data_dir or (path.rpartition("/")[0] if filesystem.is_remote(path) else "")
    folder = folder or os.path.dirname(os.path.abspath(path))
    if suffix == ".parquet":
        with filesystem.on_disk(path) as file:
            names = column_of(file, lambda names: _column(names, column, path))
            yield from (_located(one, folder) for one in names if one)
        return
    with filesystem.opened(path) as raw:
        text = io.TextIOWrapper(raw, "utf-8-sig", newline="")
        try:
            read = {".jsonl": _jsonl, ".json": _json, ".txt": _lines}.get(suffix, _csv)
            for one in read(text, column, path):
                if one.strip():
                    yield _located(one.strip(), folder)
        except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
            raise ValueError(
                f"Expected a table of paths in UTF-8. Received: {path}, which cannot "
                f"be read as one ({error}). Save it again"
            ) from error


def _located(name: str, folder: str) -> str:
    name = os.path.expanduser(name)
    if filesystem.is_remote(name) or os.path.isabs(name):
        return name
    return filesystem.join(folder, name)


def _column(names: list[str], wanted: str, path: str) -> str:
    known = [wanted] if wanted else [*PATH, *ID]
    by_name = {plain(name): name for name in reversed(names)}
    for one in known:
        if plain(one) in by_name:
            return by_name[plain(one)]
    expected = repr(wanted) if wanted else f"one of {', '.join(PATH)}"
    raise ValueError(
        f"Expected a column of paths in {path}: {expected}. Received: "
        f"{', '.join(names)}. Name it by image_column (--image_column)"
    )


def _csv(text: IO[str], column: str, path: str) -> Iterator[str]:
    first = text.readline()
    delimiter = max(_DELIMITERS, key=first.count)
    if path.lower().endswith(".tsv"):
        delimiter = "\t"
    names = next(csv.reader([first], delimiter=delimiter), [])
    rows = csv.reader(text, delimiter=delimiter)
    if not column and names and names[0].strip().lower().endswith(OF_IMAGES):
        yield names[0]  # without a header, paths come first
        place = 0
    else:
        place = names.index(_column(names, column, path))
    for row in rows:
        if len(row) > place:
            yield row[place]


def _lines(text: IO[str], column: str, path: str) -> Iterator[str]:
    return iter(text)


def _jsonl(text: IO[str], column: str, path: str) -> Iterator[str]:
    return (_of_entry(json.loads(line), column, path) for line in text if line.strip())


def _json(text: IO[str], column: str, path: str) -> Iterator[str]:
    entries = json.load(text)
    if isinstance(entries, dict):  # COCO's
        entries = entries.get("images", [entries])
    return (_of_entry(one, column, path) for one in entries)


def _of_entry(entry: object, column: str, path: str) -> str:
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict):
        raise ValueError(
            f"Expected objects or paths in {path}. Received: {type(entry).__name__}"
        )
    return str(entry[_column([*entry], column, path)])
