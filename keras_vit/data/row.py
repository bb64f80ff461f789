"""A row of a table of paths and labels, and what is wrong with the lines of one."""

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keras_vit.data.columns import Columns, truth, zero_or_one


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

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path, self._first, self._count, self._advice = path, [], 0, ""

    def add(self, line: int, text: str) -> None:
        """Note what is wrong with a line."""
        self._first = sorted([*self._first, (line, text)])[:5]
        self._count += 1

    def advise(self, sentences: Iterable[str]) -> None:
        """Set the advice behind what is wrong, if anything is."""
        self._advice = ". ".join(one.removesuffix(".") for one in sentences)

    def check(self) -> None:
        """Raise a ValueError if there was anything."""
        if self._count:
            lines = "; ".join(f"line {line}: {text}" for line, text in self._first)
            more = "; ..." if self._count > len(self._first) else ""
            end = f"{' ' if more else '. '}{self._advice}" if self._advice else ""
            raise ValueError(
                f"{self._path} has {self._count:,} wrong "
                f"{'line' if self._count == 1 else 'lines'}: {lines}{more}"
                f"{end}"
            )


def label_of_one_hot(fields: Sequence[str], columns: Columns) -> tuple[str, ...] | None:
    """Return the classes whose columns hold 1; `None` if one holds neither 0 nor 1."""
    shown = [zero_or_one(fields[place]) for place in columns.labels]
    if None in shown:
        return None
    return tuple(itertools.compress(columns.classes(), shown))


def split_of_row(
    fields: Sequence[str], columns: Columns
) -> tuple[str | None, str | None]:
    """Return a row's split, as it is written, and what is wrong with it."""
    if columns.split is not None:
        return fields[columns.split], None
    if columns.fold is not None:
        return fields[columns.fold], None
    split = "train" if columns.flags else None
    for place, name in columns.flags:
        value = truth(fields[place])
        if value is None:
            return None, (
                f"expected true or false for {columns.names[place]!r}, received "
                f"{fields[place]!r}"
            )
        if value and split != "test":
            split = name
    return split, None
