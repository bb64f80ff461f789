"""A table of paths and labels -> a data set."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_vit.data.classes import check_trained, few, untrained
from keras_vit.data.columns import TableOptions
from keras_vit.data.dataset import Dataset
from keras_vit.data.groups import (
    divided_groups,
    group_pattern,
    groups_of_paths,
)
from keras_vit.data.holdout import held_out, path_hash, with_test_split
from keras_vit.data.labels import labelled
from keras_vit.data.splits import Files
from keras_vit.data.table_file import TableFile, separators_of

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
_ADVICE = (
    "Say in a column split which images are for train and which for test; without "
    "one, about a fifth of each class is tested on, which paths decide."
)


def read_table(
    path: str | os.PathLike[str],
    *,
    exif_orientation: bool = True,
    options: TableOptions | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Read a table of image files and their labels.

    Paths are relative to the table's folder or to `data_dir`, and are found as
    `located.Finder` does. Columns and keys are as `opened_rows` finds them;
    `.json` may also be COCO's, Label Studio's or FiftyOne's.
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
        data_dir: another folder of the images.

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
    how = {"exif_orientation": exif_orientation, "options": options}
    return _read([(path, None)], path, path.stem, data_dir=data_dir, **how)


def read_split_tables(
    tables: Sequence[tuple[pathlib.Path, str]],
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    exif_orientation: bool = True,
    options: TableOptions | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Read a table of each split, as `split_tables.tables_in_splits` finds them.

    Args:
        tables: from there.
        path: of the folder.
        name: of the data set; the path by default.
        exif_orientation: as `read_table` takes it.
        options: as `read_table` takes them.
        data_dir: as `read_table` takes it.
    """
    path = pathlib.Path(path)
    how = {"exif_orientation": exif_orientation, "options": options}
    return _read(tables, path, name or str(path), data_dir=data_dir, **how)


def _read(tables, where, name, *, exif_orientation, options, data_dir):
    options = options or TableOptions()
    parts = [TableFile(path, split, options, data_dir) for path, split in tables]
    names, labels, notes = labelled(
        [label for part in parts for label in part.labels],
        where,
        separators=separators_of(tables[0][0]),
        classes=_known_classes(parts),
        exclusive=parts[0].columns.one_hot,
    )
    paths = np.concatenate([part.paths for part in parts])
    groups = _groups(parts, paths, options)
    splits, split_notes = _splits(
        parts, paths, labels, groups=groups, where=where, fold=options.fold
    )
    rows_of = {split: np.flatnonzero(splits == split) for split in np.unique(splits)}
    files = {
        split: Files(
            paths[rows],
            labels[rows],
            exif_orientation,
            None if groups is None else groups[rows],
        )
        for split, rows in with_test_split(rows_of, where, _advice(tables)).items()
    }
    notes = dict.fromkeys(
        [*notes, *split_notes, *(n for part in parts for n in part.notes)]
    )
    dataset = Dataset(name, class_names=names, notes=tuple(notes), **files)
    check_trained(untrained(dataset), where, f"Add some. {_ADVICE}")
    return dataset


def _advice(tables):
    """What to do where a split is missing."""
    path, split = tables[0]
    if split is None:
        return _ADVICE
    return (
        "Expected such a table in each of train and test, or validation. Of the table "
        f"{path} alone about a fifth of each class would be tested on."
    )


def _known_classes(parts):
    """The names of columns of 0 and 1, of all tables; `None` where others tell."""
    names = dict.fromkeys(name for part in parts for name in part.columns.classes())
    return tuple(names) or None


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


def _splits(parts, paths, labels, *, groups, where, fold):
    """The split of each image, an array; and sentences on that."""
    words = [word for part in parts for word in part.splits]
    if parts[0].folds:
        return _of_folds(words, where, fold)
    if None not in words:
        return np.array(words, np.str_), ()
    if groups is not None:
        tested = divided_groups(groups, labels, where)
    else:
        roots = [os.path.join(os.fsencode(one), b"") for one in parts[0].folders]
        below = (_below(path, roots) for path in paths)
        tested = held_out(np.fromiter(map(path_hash, below), np.uint64), labels)
    return np.where(tested, "test", "train"), ()


def _below(path, roots):
    """A path below the first of some folders that it is in."""
    root = next((root for root in roots if path.startswith(root)), None)
    return os.path.relpath(path, roots[0]) if root is None else path[len(root) :]


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
