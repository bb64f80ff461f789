"""The history of a run: a row of numbers for each evaluation."""

import csv
import os
import warnings
from collections.abc import Mapping
from typing import Any

RENAMED = {  # columns of earlier versions
    "test_loss": "eval_loss",
    "test_accuracy": "eval_accuracy",
    "test_mean_average_precision": "eval_mean_average_precision",
}


class HistoryRow(dict[str, Any]):
    """The numbers of one evaluation, by name.

    They are found by the names of an earlier version too, with a warning.

    Example:

    >>> HistoryRow(steps=100, eval_split="test", eval_loss=0.5)["eval_loss"]
    0.5
    """

    def __missing__(self, name: str) -> Any:
        if RENAMED.get(name) not in self:
            raise KeyError(name)
        warnings.warn(
            f"The column {name} of a history is called {RENAMED[name]} now; the old "
            "name goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        return self[RENAMED[name]]


def with_present_names(row: Mapping[str, Any], **added: Any) -> HistoryRow:
    """Return a row with the columns of this version.

    Args:
        row: of this version or an earlier one.
        **added: columns that stand before those of the evaluation, where the row
            does not have them.
    """
    present = HistoryRow()
    for name, value in row.items():
        if name in RENAMED:
            present.update({one: added[one] for one in added if one not in row})
        present[RENAMED.get(name, name)] = value
    return present


def read_history(path: str | os.PathLike[str]) -> list[HistoryRow]:
    """Return the rows of a run's `history.csv`, also of an earlier version's.

    Args:
        path: of the file.

    Returns:
        A `HistoryRow` for each evaluation: `eval_split` is a string, all other
        columns are numbers. A column that is empty in a row is left out.
    """
    with open(os.path.expanduser(path), newline="") as file:
        return [
            with_present_names(
                {
                    name: text if name == "eval_split" else float(text)
                    for name, text in row.items()
                    if text
                }
            )
            for row in csv.DictReader(file)
        ]
