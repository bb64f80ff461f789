"""CSV, JSON and JSONL files of paths and labels -> rows."""

import contextlib
import csv
import itertools
import json
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

from keras_vit.data.column_roles import find_columns
from keras_vit.data.columns import (
    Columns,
    TableOptions,
    check_unnamed,
    known,
)
from keras_vit.data.holdout import SPLIT_WORDS
from keras_vit.data.images import SUFFIXES
from keras_vit.data.json_rows import read_json, read_jsonl
from keras_vit.data.row import Problems, Row, label_of_one_hot, split_of_row

DELIMITERS = ",;\t"
UNASSIGNED = "unassigned"  # Google's word for images of no split
_UTF16 = (b"\xff\xfe", b"\xfe\xff")  # how such a file begins


@contextlib.contextmanager
def opened_rows(
    path: str | os.PathLike[str], problems: Problems, options: TableOptions
) -> Iterator[tuple[Columns, Iterator[Row], Sequence[str]]]:
    """Open a `.csv`, `.tsv`, `.jsonl` or `.json` file.

    Columns are found as `find_columns` does. Fields are separated by comma,
    semicolon or tab, whichever the first line shows. Without a header a table
    is read too if it has two columns and its first row begins with the path of
    an image.

    Args:
        path: of the file, in UTF-8, or in UTF-16 with its mark.
        problems: `Problems`, to which lines that are no rows are added.
        options: `TableOptions`.

    Yields:
        `Columns`, and an iterator over a `Row` for each line that is one; and
        sentences on what is not as usual.

    Raises:
        ValueError: if the columns cannot be recognized, or the file cannot be read.
    """
    path = pathlib.Path(path)
    read = {".json": read_json, ".jsonl": read_jsonl}.get(path.suffix.lower(), _csv)
    with open(path, "rb") as file:
        encoding = "utf-16" if file.read(2) in _UTF16 else "utf-8-sig"
    try:
        # A line's end inside quotes belongs to the field.
        with open(path, encoding=encoding, newline="") as file:
            yield read(file, path, problems, options)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected text in UTF-8. Received: {path}, which is not UTF-8 ({error}). "
            "Save it as UTF-8; Excel calls that CSV UTF-8."
        ) from error
    except csv.Error as error:
        raise ValueError(
            f"Expected a table of comma-separated values. Received: {path}, which "
            f"cannot be read as one ({error}). Save it as CSV again"
        ) from error


def _csv(file, path, problems, options):
    first, skipped, delimiter = file.readline(), 0, None
    said = re.fullmatch(r'"?sep=(.)"?\s*', first, re.DOTALL)  # as Excel has it
    if said:
        first, skipped, delimiter = file.readline(), 1, said[1]
    delimiter = delimiter or _delimiter(first, path, options)
    reader = csv.reader(itertools.chain([first], file), delimiter=delimiter)
    rows = (
        (reader.line_num + skipped, fields)
        for fields in reader
        if any(map(str.strip, fields))
    )
    line, names = next(rows, (0, []))
    if len(names) == 3 and _is_of_automl(names, path):
        check_unnamed(options, path)
        columns = Columns(("split", "path", "label"), 1, (2,), split=0)
        rows = itertools.chain([(line, names)], rows)
    elif len(names) == 2 and _is_an_image(names[0], path.parent):
        check_unnamed(options, path)
        columns = Columns(("path", "label"), 0, (1,))
        rows = itertools.chain([(line, names)], rows)
    else:
        ahead = [*itertools.islice(rows, 1)]
        values = ahead[0][1] if ahead else ()
        columns = find_columns(names, values, options, path)
        rows = itertools.chain(ahead, rows)
    return columns, _rows_of(rows, columns, problems), ()


def _is_of_automl(names, path):
    """Whether a first row is Google's: a split, an image's address, a label."""
    split = names[0].strip().lower() in (*SPLIT_WORDS, UNASSIGNED)
    return split and _is_an_image(names[1], path.parent)


def _delimiter(line, path, options):
    """What separates the fields of a table, by its first line."""
    if path.suffix.lower() == ".tsv":
        return "\t"

    def likeness(delimiter):
        fields = next(csv.reader([line], delimiter=delimiter), []) or [""]
        image = _is_an_image(fields[0], path.parent)
        return known(fields, options), image and len(fields) == 2, len(fields)

    return max(DELIMITERS, key=likeness)


def _is_an_image(text, folder):
    if text.lower().endswith(SUFFIXES):
        return True
    with contextlib.suppress(OSError, ValueError):  # of what can be no path
        return (folder / text).is_file()
    return False


def _rows_of(rows, columns, problems):
    width = len(columns.names)
    for line, fields in rows:
        if len(fields) != width:
            problems.add(line, f"expected {width} fields, received {len(fields)}")
            continue
        label = (
            label_of_one_hot(fields, columns)
            if columns.one_hot
            else _of_text(fields[columns.labels[0]].strip())
        )
        split, wrong = split_of_row(fields, columns)
        if label is None:
            wrong = "expected 0 or 1 in the column of each class"
        if label is None or wrong:
            problems.add(line, str(wrong))
            continue
        group = None if columns.group is None else fields[columns.group].strip()
        yield Row(line, fields[columns.image], label, split, group)


def _of_text(text):
    """A label; or several, as Label Studio writes these in a table."""
    if text.startswith('{"choices"'):
        with contextlib.suppress(ValueError, TypeError):
            return tuple(map(str, json.loads(text)["choices"]))
    return text
