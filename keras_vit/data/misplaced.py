"""Folders that do not tell classes -> what they seem to be, and what to do."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_vit.data.classes import few
from keras_vit.data.holdout import SPLIT_WORDS
from keras_vit.data.images import SUFFIXES
from keras_vit.data.unread import is_hidden

_SUFFIXES = tuple(suffix.encode() for suffix in SUFFIXES)
_TABLES = (".csv", ".tsv", ".json", ".jsonl")
_PART = re.compile(
    r"(?:^|.*[_\W])(?:parts?|images?|imgs?|batch|fold|shard|chunk)[_\W]?\d+",
    re.IGNORECASE,
)


# How detection and segmentation call the folders of images, and of what is in them.
_OF_TASKS = {
    "image",
    "images",
    "img",
    "imgs",
    "mask",
    "masks",
    "label",
    "labels",
    "annotation",
    "annotations",
    "gt",
    "jpegimages",
    "imagesets",
    "segmentationclass",
    "segmentationobject",
    "xmls",
    "trimaps",
}


def check_no_parts(
    names: Sequence[str], path: str | os.PathLike[str], *, divided: bool = False
) -> None:
    """Refuse folders that divide images, but not by their classes.

    Such as `train_images` and `test_images`, or `images_001` and `images_002`,
    or `images` and `masks`.

    Args:
        names: of the folders that are to be classes.
        path: of the folder that holds them.
        divided: whether they lie in splits.

    Raises:
        ValueError: if all seem to be so.
    """
    words = [re.split(r"[\W_\d]+", name.lower()) for name in names]
    splits = [{SPLIT_WORDS.get(word) for word in of_name} - {None} for of_name in words]
    what = None
    if len(names) > 1 and all(name.lower() in _OF_TASKS for name in names):
        what = "images and masks, boxes or texts on them, which are not learned"
    elif divided:
        what = None
    elif all(splits) and len(set().union(*splits)) > 1:
        what = "splits"
    elif all(_PART.fullmatch(name) for name in names):
        what = "parts of one set"
    if what:
        raise ValueError(
            f"Expected a folder of images for each class in {path}, or train/ and "
            f"test/ with such in them. Received: {few(map(repr, names))}, which seem "
            f"to be {what}. {' '.join((*hints(path), _TABLE))}"
        )


_TABLE = (
    "Name the classes of such images in a .csv table of their paths and labels; if the "
    "folders are classes, give them other names"
)


def hints(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield sentences about signs that a folder is to be read in another way."""
    entries = sorted(os.scandir(path), key=lambda one: one.name)
    entries = [one for one in entries if not is_hidden(one.name)]
    names = [one.name for one in entries if one.is_file()]
    folders = [one.path for one in entries if one.is_dir()]
    inside = [
        one.name
        for folder in folders
        for one in os.scandir(folder)
        if one.is_dir() and not is_hidden(one.name)
    ]
    if len(folders) == 1 and len(inside) > 1 and not {*inside} & {*SPLIT_WORDS}:
        yield (
            f"If the classes are {few(sorted(inside))}, name the folder that holds "
            f"them, {folders[0]}."
        )
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
            f"{loose:,} {'image lies' if loose == 1 else 'images lie'} in it without a "
            "class: move them into a folder for each, or name their classes in a .csv "
            "table."
        )


def _names_images(path, name):
    """Whether the first line of a text begins with an image's path."""
    with open(os.path.join(path, name), "rb") as file:
        words = file.readline(4096).split()
    return bool(words) and words[0].lower().endswith(_SUFFIXES)


def check_tested(
    found: Mapping[str, Any], path: str | os.PathLike[str], others: Sequence[str]
) -> None:
    """Refuse `train` alone, and say how its images could be divided.

    Args:
        found: the splits that hold folders of classes.
        path: of the folder.
        others: names of the folders beside them.

    Raises:
        ValueError: if there is but `train`.
    """
    if [*found] == ["train"]:
        loose = [name for name in others if name.lower() in SPLIT_WORDS]
        because = (
            f": the images in {few(loose)} lie in no folder of a class" if loose else ""
        )
        raise ValueError(
            f"{path} has no test split{because}. Expected test/, or validation/, with "
            "a folder for each class beside train/. Of the folder train/, named by "
            "itself, about a fifth of each class is tested on. Received: train alone"
        )
