"""One table -> the path, the label, the split and the group of each image."""

import itertools
import os
import pathlib
from array import array

import numpy as np

from keras_vit.data.columns import TableOptions
from keras_vit.data.holdout import SPLIT_WORDS
from keras_vit.data.labels import SEPARATORS, are_several
from keras_vit.data.located import Finder, of_label_studio
from keras_vit.data.row import Problems
from keras_vit.data.rows import UNASSIGNED, opened_rows
from keras_vit.data.unread import Unread, is_no_image

_OF_TEXT = (".csv", ".tsv")  # whose fields hold no lists


class TableFile:
    """The values of one table, with one object for all values that are equal.

    Attributes:
        columns: `Columns`.
        folder: that holds the table.
        paths: of files, `(N,)` bytes.
        labels: as they are written.
        splits: names of splits, or folds; `None` for each where the table has none.
        groups: names of groups; `None` where there are none.
        notes: sentences on what is not as usual.
    """

    def __init__(
        self,
        path: pathlib.Path,
        split: str | None,
        options: TableOptions,
        data_dir: str | os.PathLike[str] | None,
    ) -> None:
        problems, same = Problems(path), {}
        with opened_rows(path, problems, options) as (columns, rows, notes):
            self.columns, lines, written = columns, array("q"), []
            self.labels, self.groups = [], []
            self.splits: list[str | None] = []
            for row in rows:
                lines.append(row.line)
                written.append(row.path)
                self.labels.append(same.setdefault(row.label, row.label))
                self.splits.append(split or same.setdefault(row.split, row.split))
                self.groups.append(same.setdefault(row.group, row.group))
        self.folder = path.absolute().parent
        self.folds = columns.fold is not None and not split
        if not self.folds:
            self._name_splits(lines, problems)
        if any(isinstance(label, tuple) for label in self.labels):
            self.labels = [_as_tuple(label) for label in self.labels]
        self._may_be_none = are_several(self.labels, separators_of(path))
        finder = Finder(path, options.suffix, data_dir)
        self.folders = finder.folders
        self.paths = self._located(lines, written, finder, problems)
        problems.check()
        self.notes = [*notes, *filter(None, [columns.note()])]
        if finder.below:
            self.notes.append(
                "Files are sought by their names below the table, such as {!r} at "
                "{!r}.".format(*finder.below)
            )

    def _name_splits(self, lines, problems):
        if {str(word).strip().lower() for word in self.splits} == {UNASSIGNED}:
            self.splits = [None] * len(self.splits)
        for row, word in enumerate(self.splits):
            if word is not None:
                self.splits[row] = SPLIT_WORDS.get(word.strip().lower())
                if self.splits[row] is None:
                    wrong = f"split {word!r}, expected train, validation or test"
                    problems.add(lines[row], wrong)

    def _located(self, lines, written, finder, problems):
        """The files' paths, an array of bytes."""
        paths, seen, missing, unread = [], {}, None, Unread()
        for row, (line, name) in enumerate(zip(lines, written, strict=True)):
            path, wrong = finder.find(name) if name.strip() else None, None
            if not name.strip():
                wrong = "no path"
            elif self.labels[row] == "" and not self._may_be_none:
                wrong = "no label"
            elif self.groups[row] == "":
                wrong = "no group"
            elif path is None:
                wrong, missing = f"no file {name!r}", missing or name
                if finder.doubtful:
                    wrong += f", but two below: {' and '.join(finder.doubtful)}"
            elif is_no_image(path):
                wrong = f"{name!r} is no image"
                unread.add(path)
            else:
                wrong = self._clash(seen.setdefault(path, row), row, name, lines)
            if wrong:
                problems.add(line, wrong)
            paths.append(os.fsencode(path or ""))
        if missing:
            for _, _, names in itertools.chain(*map(os.walk, finder.folders)):
                for name in names:
                    unread.add(name)
            problems.advise([_sought(missing, finder.folders), *unread.sentences()])
        else:
            problems.advise(unread.sentences())
        return np.array(paths, np.bytes_)

    def _clash(self, first, row, name, lines):
        """What is wrong if the image of a row is in an earlier one too."""
        for values, what in (
            (self.labels, "has another label"),
            (self.splits, "is in another split"),
            (self.groups, "is in another group"),
        ):
            if values[first] != values[row]:
                return f"{name!r} {what} than in line {lines[first]}"
        return None


def separators_of(path: pathlib.Path) -> str:
    """Return what may separate several labels in a field of a table."""
    return SEPARATORS if path.suffix.lower() in _OF_TEXT else ""


def _as_tuple(label):
    """Several labels, of a table in which some images have one."""
    return label if isinstance(label, tuple) else (label,) if label else ()


def _sought(name, folders):
    """Where files were sought, and what to do."""
    places = f"Files were sought in {' and '.join(folders)}"
    if of_label_studio(name):
        return (
            f"{places}, and below by their names: the paths are those of Label "
            "Studio's server. Pass the folder of its media, or of the images as they "
            "were uploaded, as data_dir"
        )
    return f"{places}. Another folder of the images can be passed as data_dir"
