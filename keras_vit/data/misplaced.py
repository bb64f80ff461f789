"""Folders that do not tell classes -> what they seem to be, and what to do."""

import os
import re

from keras_vit.data.classes import few
from keras_vit.data.images import SUFFIXES
from keras_vit.data.shares import SPLIT_WORDS

_SUFFIXES = tuple(suffix.encode() for suffix in SUFFIXES)
_TABLES = (".csv", ".tsv", ".json", ".jsonl")
_PART = re.compile(
    r"(?:^|.*[_\W])(?:parts?|images?|imgs?|batch|fold|shard|chunk)[_\W]?\d+",
    re.IGNORECASE,
)


def check_no_parts(names, path):
    """Refuses folders that divide images, but not by what they show.

    Such as `train_images` and `test_images`, or `images_001` and `images_002`.
    """
    words = [re.split(r"[\W_\d]+", name.lower()) for name in names]
    splits = [{SPLIT_WORDS.get(word) for word in of_name} - {None} for of_name in words]
    what = None
    if all(splits) and len(set().union(*splits)) > 1:
        what = "splits"
    elif all(_PART.fullmatch(name) for name in names):
        what = "parts of one set"
    if what:
        raise ValueError(
            f"Expected a folder of images for each class in {path}, or train/ and "
            f"test/ with such in them. Received: {few(map(repr, names))}, which seem "
            f"to be {what}: {' '.join((*hints(path), _TABLE))}"
        )


_TABLE = (
    "Name the classes of such images in a .csv table of their paths and labels; if the "
    "folders are classes, give them other names"
)


def hints(path):
    """Yields sentences on what in a folder tells that it is to be read otherwise."""
    names = sorted(one.name for one in os.scandir(path) if one.is_file())
    names = [name for name in names if not name.startswith(".")]
    tables = [
        n for n in names if n.lower().endswith((".csv", ".tsv", ".json", ".jsonl"))
    ]
    lists = [n for n in names if n.lower().endswith(".txt") and _names_images(path, n)]
    if tables:
        yield (
            f"If a table there has the labels, name the table: "
            f"{few(os.path.join(path, name) for name in tables)}."
        )
    if lists:
        yield (
            f"Lists such as {lists[0]} are not read: write a .csv table of them, with "
            "the columns path, label and split."
        )
    loose = sum(n.lower().endswith(SUFFIXES) for n in names)
    if loose and not tables:
        yield (
            f"{loose:,} images lie in it without a class: move them into a folder for "
            "each, or name their classes in a .csv table."
        )


def _names_images(path, name):
    """Whether the first line of a text begins with an image's path."""
    with open(os.path.join(path, name), "rb") as file:
        words = file.readline(4096).split()
    return bool(words) and words[0].lower().endswith(_SUFFIXES)


def check_tested(found, path):
    """Refuses `train` alone, and says how its images could be divided."""
    if [*found] == ["train"]:
        raise ValueError(
            f"{path} has no test split. Expected test/, or validation/, beside train/. "
            "Of the folder train/, named by itself, about a fifth of each class is "
            "tested on. Received: train alone"
        )
