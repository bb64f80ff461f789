"""A table of paths and labels -> a data set."""

import os
import pathlib
import re
from array import array

import numpy as np

from keras_vit.data.classes import (
    check_class_names,
    check_trained,
    composed,
    in_natural_order,
    untrained,
)
from keras_vit.data.dataset import Dataset
from keras_vit.data.rows import Problems, read_rows
from keras_vit.data.shares import SPLIT_WORDS, in_test_share, settled
from keras_vit.data.splits import Files

SEPARATORS = ";|"  # of the labels of one image, in CSV
MOST_NUMBERS = 10  # for each class that occurs: with more, they are ids
_ADVICE = (
    "Say in a column split which images are for train and which for test; without "
    "one, about a fifth is tested on, which paths decide."
)


def read_table(path, *, exif_orientation=True):
    """Reads a `.csv` or `.jsonl` table of image files and their labels.

    Paths are relative to the table's folder. Columns and keys are as
    `read_rows` finds them. Where no column names the split, about a fifth is
    to be tested on, which the hash of each path below the table's folder
    decides.

    Labels are names, in natural order, or integers, the numbers of the classes
    "0" to the largest, of which some may not occur. An image may have several,
    a list in JSON, or separated by ; or | in CSV: then labels are zeros and
    ones, and an image may have none.

    Args:
        path: of the table, in UTF-8.
        exif_orientation: whether images are turned as their camera noted.

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
    problems = Problems(path)
    lines, paths, labels, splits = _columns(read_rows(path, problems))
    labels, several = _one_or_several(path, labels)
    rows = zip(lines, paths, labels, splits, strict=True)
    paths, splits = _located(rows, path.absolute().parent, problems)
    problems.check()
    names, labels = _numbered(path, labels, several)
    parts = {split: np.flatnonzero(splits == split) for split in np.unique(splits)}
    parts = settled(parts, path, _ADVICE)
    parts = {
        split: Files(paths[rows], labels[rows], exif_orientation)
        for split, rows in parts.items()
    }
    dataset = Dataset(path.stem, class_names=names, **parts)
    check_trained(untrained(dataset), path, f"Add some. {_ADVICE}")
    return dataset


def _columns(rows):
    """Rows as four columns, with one object for all labels that are equal."""
    lines, paths, labels, splits, same = array("q"), [], [], [], {}
    for row in rows:
        lines.append(row.line)
        paths.append(row.path)
        labels.append(same.setdefault(row.label, row.label))
        splits.append(same.setdefault(row.split, row.split))
    return lines, paths, labels, splits


def _one_or_several(path, labels):
    """Labels: each a name, or each a tuple of names; and whether the latter."""
    distinct = set(labels)
    texts = [label for label in distinct if isinstance(label, str)]
    separators = SEPARATORS if path.suffix.lower() == ".csv" else ""
    used = [one for one in separators if any(one in text for text in texts)]
    if len(used) > 1:
        raise ValueError(
            f"{path} separates labels both by {used[0]} and by {used[1]}. Use one."
        )
    several = bool(used) or len(texts) < len(distinct)

    def read(label):
        if not several:
            return composed(label.strip())
        if isinstance(label, str):
            label = label.split(*used) if used else [label]
        return tuple(composed(part.strip()) for part in label if part.strip())

    meant = {label: read(label) for label in distinct}
    return [meant[label] for label in labels], several


def _located(rows, folder, problems):
    """The files' paths, an array of bytes, and the split of each, an array."""
    paths, splits, seen = [], [], {}
    for line, given, label, word in rows:
        path = _path(folder, given)
        if word is None:
            tested = in_test_share(os.path.relpath(path, folder))
            split = "test" if tested else "train"
        else:
            split = SPLIT_WORDS.get(word.strip().lower())
        wrong = None
        if not given.strip():
            wrong = "no path"
        elif label == "":
            wrong = "no label"
        elif split is None:
            wrong = f"split {word!r}, expected train, validation or test"
        elif not os.path.isfile(path):
            wrong = f"no file {given!r}"
        else:
            first = seen.setdefault(path, (line, label, split))
            if first[1:] != (label, split):
                what = "another label" if first[1] != label else "in another split"
                wrong = f"{given!r} has {what} than in line {first[0]}"
        if wrong:
            problems.add(line, wrong)
        paths.append(os.fsencode(path))
        splits.append(split)
    return np.array(paths, np.bytes_), np.array(splits, np.str_)


def _path(folder, given):
    """Where a file is: slashes may be Windows's."""
    path = os.path.normpath(os.path.join(folder, given))
    if "\\" in given and not os.path.exists(path):
        path = os.path.normpath(os.path.join(folder, given.replace("\\", "/")))
    return path


def _numbered(path, labels, several):
    """Class names, and labels as `Files` takes them."""
    occurring = {*labels} if not several else {one for label in labels for one in label}
    if not occurring:
        raise ValueError(f"{path} has no rows with a label.")
    names = _class_names(path, occurring)
    number = {name: index for index, name in enumerate(names)}
    if not several:
        return names, np.array([number[label] for label in labels], np.int32)
    shown = np.zeros((len(labels), len(names)), np.uint8)
    for row, label in enumerate(labels):
        shown[row, [number[name] for name in label]] = 1
    return names, shown


def _class_names(path, occurring):
    """The names that occur; if they are numbers, all from 0 to the largest."""
    if all(re.fullmatch(r"-?(0|[1-9]\d*)", name, re.ASCII) for name in occurring):
        numbers = {int(name) for name in occurring}
        count = max(numbers) + 1
        if min(numbers) < 0 or count > MOST_NUMBERS * len(numbers):
            raise ValueError(
                f"{path}: labels that are integers must be the numbers of classes, "
                f"from 0. Received: {len(numbers)} different ones from {min(numbers)} "
                f"to {max(numbers)}. Give names in words instead, such as "
                f"class_{max(numbers)}."
            )
        return tuple(map(str, range(count)))
    names = in_natural_order(occurring)
    check_class_names(names)
    return names
