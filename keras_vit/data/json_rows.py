"""JSON and JSONL files of paths and labels -> rows."""

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from keras_vit.data import documents
from keras_vit.data.column_roles import find_columns
from keras_vit.data.columns import (
    ID,
    Columns,
    TableOptions,
    check_unnamed,
    plain,
)
from keras_vit.data.row import Problems, Row, label_of_one_hot, split_of_row


def read_jsonl(
    file: Iterable[str],
    path: str | os.PathLike[str],
    problems: Problems,
    options: TableOptions,
) -> tuple[Columns, Iterator[Row], Sequence[str]]:
    """Read a JSON object a line, as `rows.opened_rows` does."""
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


def read_json(
    file: TextIO,
    path: str | os.PathLike[str],
    problems: Problems,
    options: TableOptions,
) -> tuple[Columns, Iterator[Row], Sequence[str]]:
    """Read a JSON document, as `rows.opened_rows` does."""
    try:
        content = json.load(file)
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise ValueError(
            f"Expected a JSON document. Received: {path}, which cannot be read as one "
            f"({error}). Fix it there, or name it .jsonl if each line is an object"
        ) from error
    found = documents.rows_of(content, path)
    if found is None:
        return _of_objects(enumerate(content, 1), path, problems, options)
    check_unnamed(options, path)
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
            label = label_of_one_hot([str(field) for field in fields], columns)
        else:
            label = fields[columns.labels[0]]
            if isinstance(label, dict):  # as Label Studio writes several
                label = label["choices"]
            label = tuple(map(str, label)) if isinstance(label, list) else str(label)
        split, wrong = split_of_row([str(field) for field in fields], columns)
        if label is None:
            wrong = "expected 0 or 1 for each class"
        if label is None or wrong:
            problems.add(line, str(wrong))
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
