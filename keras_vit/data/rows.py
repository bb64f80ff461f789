"""CSV, JSON and JSONL files of paths and labels -> rows."""

import contextlib
import csv
import itertools
import json
import pathlib
import re
from dataclasses import dataclass

from keras_vit.data import documents
from keras_vit.data.columns import (
    ID,
    Columns,
    find_columns,
    known,
    plain,
    truth,
    zero_or_one,
)
from keras_vit.data.images import SUFFIXES
from keras_vit.data.shares import SPLIT_WORDS

DELIMITERS = ",;\t"
UNASSIGNED = "unassigned"  # Google's word for images of no split
_UTF16 = (b"\xff\xfe", b"\xfe\xff")  # how such a file begins


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: of the file, from 1; of a JSON document the number of its entry.
        path: of an image, as it is written.
        label: text; or a tuple of texts, from a list in JSON or columns of 0
            and 1.
        split: as it is written; `None` where the table does not tell it.
        group: the name of the group that it belongs to; `None` where there are none.
    """

    line: int
    path: str
    label: str | tuple[str, ...]
    split: str | None = None
    group: str | None = None


class Problems:
    """What is wrong with a file: the first five lines, and how many there are."""

    def __init__(self, path):
        self._path, self._first, self._count, self._advice = path, [], 0, ""

    def add(self, line, text):
        """Notes what is wrong with a line."""
        self._first = sorted([*self._first, (line, text)])[:5]
        self._count += 1

    def advise(self, sentences):
        """Adds to what is said if there is anything wrong."""
        self._advice = ". ".join(one.removesuffix(".") for one in sentences)

    def check(self):
        """Raises a ValueError if there was anything."""
        if self._count:
            told = "; ".join(f"line {line}: {text}" for line, text in self._first)
            more = "; ..." if self._count > len(self._first) else ""
            end = f"{' ' if more else '. '}{self._advice}" if self._advice else ""
            raise ValueError(
                f"{self._path} has {self._count:,} wrong "
                f"{'line' if self._count == 1 else 'lines'}: {told}{more}"
                f"{end}"
            )


@contextlib.contextmanager
def opened_rows(path, problems, options):
    """Opens a `.csv`, `.tsv`, `.jsonl` or `.json` file.

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
        ValueError: if the columns cannot be told, or the file cannot be read.
    """
    path = pathlib.Path(path)
    read = {".json": _json, ".jsonl": _jsonl}.get(path.suffix.lower(), _csv)
    with open(path, "rb") as file:
        encoding = "utf-16" if file.read(2) in _UTF16 else "utf-8-sig"
    try:
        # A line's end inside quotes belongs to the field.
        with open(path, encoding=encoding, newline="") as file:
            yield read(file, path, problems, options)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8: {error}. Save it as UTF-8; Excel calls that CSV "
            "UTF-8."
        ) from error
    except csv.Error as error:
        raise ValueError(f"{path} is no table that can be read: {error}") from error


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
        _check_unnamed(options, path)
        columns = Columns(("split", "path", "label"), 1, (2,), split=0)
        rows = itertools.chain([(line, names)], rows)
    elif len(names) == 2 and _is_an_image(names[0], path.parent):
        _check_unnamed(options, path)
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


def _check_unnamed(options, path):
    """Refuses options that name a column where columns have no names."""
    given = [
        name
        for name in ("fold", "image_column", "label_column")
        if getattr(options, name) is not None
    ]
    if given:
        raise ValueError(
            f"{', '.join(given)} must go with a table whose first line names its "
            f"columns. Received: {path}"
        )


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
            _of_one_hot(fields, columns)
            if columns.one_hot
            else _of_text(fields[columns.labels[0]].strip())
        )
        split, wrong = split_of_row(fields, columns)
        if label is None:
            wrong = "expected 0 or 1 in the column of each class"
        if wrong:
            problems.add(line, wrong)
            continue
        group = None if columns.group is None else fields[columns.group].strip()
        yield Row(line, fields[columns.image], label, split, group)


def _of_text(text):
    """A label; or several, as Label Studio writes these in a table."""
    if text.startswith('{"choices"'):
        with contextlib.suppress(ValueError, TypeError):
            return tuple(map(str, json.loads(text)["choices"]))
    return text


def _of_one_hot(fields, columns):
    shown = [zero_or_one(fields[place]) for place in columns.labels]
    if None in shown:
        return None
    return tuple(itertools.compress(columns.classes(), shown))


def split_of_row(fields, columns):
    """What a row says of its split, as it is written, and what is wrong with that."""
    if columns.split is not None:
        return fields[columns.split], None
    if columns.fold is not None:
        return fields[columns.fold], None
    split = "train" if columns.flags else None
    for place, name in columns.flags:
        told = truth(fields[place])
        if told is None:
            return None, (
                f"expected true or false for {columns.names[place]!r}, received "
                f"{fields[place]!r}"
            )
        if told and split != "test":
            split = name
    return split, None


def _jsonl(file, path, problems, options):
    found = _objects(file, problems)
    return _of_objects(found, path, problems, options)


def _objects(file, problems):
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            yield line, json.loads(text)
        except ValueError as error:
            problems.add(line, f"no JSON ({error})")


def _json(file, path, problems, options):
    try:
        content = json.load(file)
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise ValueError(f"{path} is no JSON that can be read: {error}") from error
    found = documents.rows_of(content, path)
    if found is None:
        return _of_objects(enumerate(content, 1), path, problems, options)
    _check_unnamed(options, path)
    triples, notes = found
    columns = Columns(("path", "label"), 0, (1,), one_hot=True)
    return columns, (Row(*triple) for triple in triples), notes


def _of_objects(found, path, problems, options):
    """Rows of JSON objects, in which the first one's keys are the columns."""
    ahead = []
    for line, one in found:
        if isinstance(one, dict):
            ahead = [(line, one)]
            break
        problems.add(line, f"expected an object, received {str(one)[:40]}")
    if not ahead:
        problems.check()
    keys = [*ahead[0][1]] if ahead else []
    first = [str(value) for value in ahead[0][1].values()] if ahead else ()
    columns = find_columns(keys, first, options, path)
    rows = _rows_of_objects(itertools.chain(ahead, found), columns, problems)
    return columns, rows, ()


def _rows_of_objects(found, columns, problems):
    for line, one in found:
        if not isinstance(one, dict):
            problems.add(line, f"expected an object, received {str(one)[:40]}")
            continue
        fields = [one.get(key) for key in columns.names]
        wrong = _wrong(fields, columns)
        if wrong:
            problems.add(line, wrong)
            continue
        if columns.one_hot:
            label = _of_one_hot([str(field) for field in fields], columns)
        else:
            label = fields[columns.labels[0]]
            if isinstance(label, dict):  # as Label Studio writes several
                label = label["choices"]
            label = tuple(map(str, label)) if isinstance(label, list) else str(label)
        split, wrong = split_of_row([str(field) for field in fields], columns)
        if label is None:
            wrong = "expected 0 or 1 for each class"
        if wrong:
            problems.add(line, wrong)
            continue
        group = None if columns.group is None else str(fields[columns.group])
        yield Row(line, str(fields[columns.image]), label, split, group)


def _wrong(fields, columns):
    """What is wrong with the values of a JSON object; `None` if nothing is."""
    image, split = fields[columns.image], columns.split
    is_id = type(image) is int and plain(columns.names[columns.image]) in ID
    if not (isinstance(image, str) or is_id):
        return f"expected text for {columns.names[columns.image]!r}, received {image!r}"
    if split is not None and not isinstance(fields[split], str):
        return f"expected text for {columns.names[split]!r}, received {fields[split]!r}"
    if columns.group is not None and not isinstance(fields[columns.group], str | int):
        name = columns.names[columns.group]
        return f"expected text for {name!r}, received {fields[columns.group]!r}"
    if columns.one_hot:
        return None
    label = fields[columns.labels[0]]
    choices = label.get("choices") if isinstance(label, dict) else label
    for one in choices if isinstance(choices, list) else [choices]:
        if isinstance(one, bool) or not isinstance(one, str | int):
            return (
                f"expected text, an integer or a list of them for "
                f"{columns.names[columns.labels[0]]!r}, received {label!r}"
            )
    return None
