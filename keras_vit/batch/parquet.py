"""Parquet files: the plan of a job, and the rows that it writes. PyArrow's door."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np


def write_groups(
    path: str | os.PathLike[str],
    rows: Iterable[Mapping[str, Any]],
    types: Mapping[str, str],
    group: int,
) -> int:
    """Write rows as one Parquet file whose groups have a fixed number of rows.

    Args:
        path: of the file.
        rows: mappings of each column to its value; read one at a time.
        types: of each column, as PyArrow names it, such as `"binary"`.
        group: rows of a group; the last has what is left.

    Returns:
        The number of rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _type(word)) for name, word in types.items()])
    count, held = 0, []

    def write(writer: Any) -> None:
        table = pa.Table.from_pylist(held, schema)
        writer.write_table(table, row_group_size=group)
        held.clear()

    with pq.ParquetWriter(path, schema) as writer:
        for row in rows:
            held.append(row)
            count += 1
            if len(held) == group:
                write(writer)
        if held:
            write(writer)
    return count


def _type(word: str) -> Any:
    import pyarrow as pa

    if word.startswith("list:"):
        return pa.list_(_type(word.removeprefix("list:")))
    return getattr(pa, word)()


class Groups:
    """The groups of rows of a Parquet file, each read by itself.

    Args:
        path: of a file on this machine.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(path)

    def counts(self) -> list[int]:
        """Return the number of rows of each group."""
        data = self._file.metadata
        return [data.row_group(n).num_rows for n in range(data.num_row_groups)]

    def read(self, number: int) -> dict[str, list[Any]]:
        """Return the columns of one group."""
        return self._file.read_row_group(number).to_pydict()


def write_columns(
    path: str | os.PathLike[str],
    columns: Mapping[str, Sequence[Any]],
    types: Mapping[str, str],
    notes: Mapping[str, Any],
) -> None:
    """Write columns as one Parquet file.

    Args:
        path: of the file.
        columns: of each name the values, `None` for a row without one; vectors
            are NumPy arrays, and NaN in a row without one.
        types: of each column, as PyArrow names it; `list:<type>` for lists of
            any length, `<type>[<length>]` for vectors of a fixed one.
        notes: what is kept with it under `keras_vit`, as JSON.

    Example:

    >>> columns = {"path": ["a.jpg"], "features": [np.float32([1, 2])]}
    >>> types = {"path": "string", "features": "float32[2]"}
    >>> write_columns("a.parquet", columns, types, {})
    >>> notes_of("a.parquet")
    (1, {})
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = [name for name in columns if types[name].endswith("]")]
    arrays = {
        name: _vectors(values, types[name])
        if name in vectors
        else pa.array(values, _type(types[name]))
        for name, values in columns.items()
    }
    table = pa.table(arrays)
    # Numbers of a network repeat nowhere: a dictionary of them costs twice.
    repeating: Any = [name for name in columns if name not in vectors]
    pq.write_table(
        table.replace_schema_metadata({"keras_vit": json.dumps(notes)}),
        path,
        row_group_size=max(1, len(table)),
        compression="zstd",
        use_dictionary=repeating,
    )


def _vectors(values: Sequence[Any], word: str) -> Any:
    """Vectors of one length as an Arrow array; NaN for a row without one.

    PyArrow writes a missing fixed-size list that it cannot read again.
    """
    import pyarrow as pa

    kind, _, length = word.removesuffix("]").partition("[")
    flat = np.full((len(values), int(length)), np.nan, np.dtype(kind))
    for row, one in enumerate(values):
        if one is not None:
            flat[row] = one
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), int(length))


def notes_of(path: str | os.PathLike[str]) -> tuple[int, dict[str, Any]]:
    """Return the number of rows of a file, and the notes that were kept with it."""
    import pyarrow.parquet as pq

    data = pq.read_metadata(path)
    return data.num_rows, json.loads((data.metadata or {}).get(b"keras_vit", b"{}"))


def column_of(
    path: str | os.PathLike[str], choose: Callable[[list[str]], str]
) -> Iterator[str]:
    """Yield the text in a column of a Parquet file, a group of rows at a time.

    Args:
        path: of the file.
        choose: returns the column's name, of the names of all columns.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pathlib.Path(path))
    column = choose(list(file.schema_arrow.names))
    for batch in file.iter_batches(columns=[column]):
        yield from map(_text, batch.column(0).to_pylist())


def _text(value: Any) -> str:
    if isinstance(value, dict):  # an image of Hugging Face's data sets
        value = value.get("path")
    return "" if value is None else str(value)
