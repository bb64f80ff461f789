"""A table of paths and labels -> a data set."""

import os
import pathlib
from array import array

import numpy as np

from keras_vit.data.classes import check_trained, few, untrained
from keras_vit.data.columns import TableOptions
from keras_vit.data.dataset import Dataset
from keras_vit.data.groups import (
    divided_groups,
    group_pattern,
    groups_of_paths,
)
from keras_vit.data.labels import SEPARATORS, are_several, labelled
from keras_vit.data.located import Finder
from keras_vit.data.rows import Problems, opened_rows
from keras_vit.data.shares import SPLIT_WORDS, divided, path_hash, settled
from keras_vit.data.splits import Files
from keras_vit.data.unread import Unread, is_no_image

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
_OF_TEXT = (".csv", ".tsv")  # whose fields hold no lists
# Tables of loose images, as they lie in the folder of each split.
IN_SPLITS = (
    *("_classes.csv", "_annotations.coco.json"),
    *("metadata.csv", "metadata.jsonl"),
)
_ADVICE = (
    "Say in a column split which images are for train and which for test; without "
    "one, about a fifth of each class is tested on, which paths decide."
)


def read_table(path, *, exif_orientation=True, options=None):
    """Reads a table of image files and their labels.

    Paths are relative to the table's folder. Columns and keys are as
    `opened_rows` finds them; `.json` may also be COCO's, or Label Studio's.
    Where no column names the split, about a fifth of each class is to be tested
    on, which the hash of each path below the table's folder decides.

    Labels are names, in natural order, or integers, the numbers of the classes
    "0" to the largest, of which some may not occur. An image may have several,
    a list in JSON, or separated by ; or | in CSV, or a 1 in the columns of
    several classes: then labels are zeros and ones, and an image may have none.

    Args:
        path: of the table.
        exif_orientation: whether images are turned as their camera noted.
        options: `TableOptions`.

    Returns:
        A `Dataset` of `Files`, in the table's order.

    Raises:
        ValueError: naming the lines that are wrong: a file that does not
            exist, a label that is missing, an image that has two; or if a
            class that occurs has no training image.

    Example:

    >>> read_table("labels.csv").num_classes  # doctest: +SKIP
    2
    """
    path = pathlib.Path(path)
    return _read([(path, None)], path, path.stem, exif_orientation, options)


def tables_in_splits(path):
    """Finds the tables of a folder whose splits hold loose images and one each.

    Args:
        path: of the folder.

    Returns:
        Pairs of a table's path and the split that it is of; none for any
        other folder.

    Raises:
        ValueError: if only some of the splits have one.
    """
    splits = {
        one: SPLIT_WORDS[one.name.lower()]
        for one in sorted(pathlib.Path(path).iterdir())
        if one.name.lower() in SPLIT_WORDS and one.is_dir()
    }
    found = {
        folder: [folder / one for one in IN_SPLITS if (folder / one).is_file()]
        for folder in splits
    }
    if not any(found.values()):
        return []
    wrong = [folder for folder, tables in found.items() if len(tables) != 1]
    if wrong:
        raise ValueError(
            f"{path}: expected one table in each split, one of {', '.join(IN_SPLITS)}. "
            f"Received: {len(found[wrong[0]])} in {wrong[0]}"
        )
    return [(tables[0], splits[folder]) for folder, tables in found.items()]


def read_split_tables(tables, path, *, name=None, exif_orientation=True, options=None):
    """Reads a folder with a table in each split, as `tables_in_splits` finds them.

    Args:
        tables: from there.
        path: of the folder.
        name: of the data set; the path by default.
        exif_orientation: as `read_table` takes it.
        options: likewise.
    """
    path = pathlib.Path(path)
    return _read(tables, path, name or str(path), exif_orientation, options)


def _read(tables, where, name, exif_orientation, options):
    options = options or TableOptions()
    parts = [_Part(path, split, options) for path, split in tables]
    names, labels, notes = labelled(
        [label for part in parts for label in part.labels],
        where,
        separators=_separators(tables[0][0]),
        classes=_known_classes(parts),
        exclusive=parts[0].columns.one_hot,
    )
    paths = np.concatenate([part.paths for part in parts])
    groups = _groups(parts, paths, options)
    splits, told = _splits(parts, paths, labels, groups, where, options.fold)
    rows_of = {split: np.flatnonzero(splits == split) for split in np.unique(splits)}
    files = {
        split: Files(
            paths[rows],
            labels[rows],
            exif_orientation,
            None if groups is None else groups[rows],
        )
        for split, rows in settled(rows_of, where, _ADVICE).items()
    }
    notes = dict.fromkeys([*notes, *told, *(n for part in parts for n in part.notes)])
    dataset = Dataset(name, class_names=names, notes=tuple(notes), **files)
    check_trained(untrained(dataset), where, f"Add some. {_ADVICE}")
    return dataset


def _separators(path):
    return SEPARATORS if path.suffix.lower() in _OF_TEXT else ""


def _known_classes(parts):
    """The names of columns of 0 and 1, of all tables; `None` where others tell."""
    names = dict.fromkeys(name for part in parts for name in part.columns.classes())
    return tuple(names) or None


class _Part:
    """The columns of one table, with one object for all values that are equal.

    Attributes:
        columns: `Columns`.
        folder: that holds the table.
        paths: of files, `(N,)` bytes.
        labels: as they are written.
        splits: names of splits, or folds; `None` for each where none is told.
        groups: names of groups; `None` likewise.
        notes: sentences on what is not as usual.
    """

    def __init__(self, path, split, options):
        problems, same = Problems(path), {}
        with opened_rows(path, problems, options) as (columns, rows, notes):
            self.columns, lines, given = columns, array("q"), []
            self.labels, self.splits, self.groups = [], [], []
            for row in rows:
                lines.append(row.line)
                given.append(row.path)
                self.labels.append(same.setdefault(row.label, row.label))
                self.splits.append(split or same.setdefault(row.split, row.split))
                self.groups.append(same.setdefault(row.group, row.group))
        self.folder = path.absolute().parent
        self.folds = columns.fold is not None and not split
        if not self.folds:
            self._name_splits(lines, problems)
        self._may_be_none = are_several(self.labels, _separators(path))
        finder = Finder(self.folder, options.suffix)
        self.paths = self._located(lines, given, finder, problems)
        problems.check()
        self.notes = [*notes, *filter(None, [columns.note()])]
        if finder.below:
            self.notes.append(
                "Files are sought below the table by their names, such as {!r} at "
                "{!r}.".format(*finder.below)
            )

    def _name_splits(self, lines, problems):
        for row, word in enumerate(self.splits):
            if word is not None:
                self.splits[row] = SPLIT_WORDS.get(word.strip().lower())
                if self.splits[row] is None:
                    told = f"split {word!r}, expected train, validation or test"
                    problems.add(lines[row], told)

    def _located(self, lines, given, finder, problems):
        """The files' paths, an array of bytes."""
        paths, seen, missing, unread = [], {}, False, Unread()
        for row, (line, name) in enumerate(zip(lines, given, strict=True)):
            path, wrong = finder.find(name) if name.strip() else None, None
            if not name.strip():
                wrong = "no path"
            elif self.labels[row] == "" and not self._may_be_none:
                wrong = "no label"
            elif self.groups[row] == "":
                wrong = "no group"
            elif path is None:
                wrong, missing = f"no file {name!r}", True
            elif is_no_image(path):
                wrong = f"{name!r} is no image"
                unread.add(path)
            else:
                wrong = self._clash(seen.setdefault(path, row), row, name, lines)
            if wrong:
                problems.add(line, wrong)
            paths.append(os.fsencode(path or ""))
        if missing:
            for _, _, names in os.walk(self.folder):
                for name in names:
                    unread.add(name)
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


def _groups(parts, paths, options):
    """The group of each image, an array; `None` where none are wanted."""
    if options.group is None:
        return None
    if parts[0].columns.group is not None:
        names = [os.fsencode(name) for part in parts for name in part.groups]
        return np.array(names, np.bytes_)
    folder = os.path.commonpath([part.folder for part in parts])
    root = os.path.join(os.fsencode(folder), b"")
    return groups_of_paths(paths, root, group_pattern(options.group))


def _splits(parts, paths, labels, groups, where, fold):
    """The split of each image, an array; and sentences on that."""
    words = [word for part in parts for word in part.splits]
    if parts[0].folds:
        return _of_folds(words, where, fold)
    if None not in words:
        return np.array(words, np.str_), ()
    if groups is not None:
        tested = divided_groups(groups, labels, where)
    else:
        root = os.path.join(os.fsencode(parts[0].folder), b"")
        below = (
            path[len(root) :] if path.startswith(root) else os.path.relpath(path, root)
            for path in paths
        )
        tested = divided(np.fromiter(map(path_hash, below), np.uint64), labels)
    return np.where(tested, "test", "train"), ()


def _of_folds(words, where, fold):
    """The same of a column of folds, of which one is tested on: the last, or `fold`."""
    try:
        numbers = {word: int(float(word)) for word in {*words}}
    except ValueError:
        raise ValueError(
            f"{where}: expected whole numbers in the column of folds. "
            f"Received: {few(map(repr, sorted({*words})))}"
        ) from None
    found = sorted({*numbers.values()})
    tested = found[-1] if fold is None else fold
    folds = ", ".join(map(str, found))
    if tested not in found or len(found) < 2:
        raise ValueError(
            f"{where}: fold must be one of at least two, here {folds}. "
            f"Received: fold={tested}"
        )
    note = f"Of the folds {folds}, {tested} is tested on; fold chooses another."
    return np.array(["test" if numbers[w] == tested else "train" for w in words]), [
        note
    ]
