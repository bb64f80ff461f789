"""A folder whose splits have a table each -> these tables."""

import os
import pathlib
import re
from collections.abc import Sequence

from keras_vit.data.classes import few
from keras_vit.data.holdout import SPLIT_WORDS

# Tables of loose images, as they lie in the folder of each split.
IN_SPLITS = (
    "_classes.csv",
    "_annotations.coco.json",
    "metadata.csv",
    "metadata.jsonl",
)


def tables_in_splits(path: str | os.PathLike[str]) -> list[tuple[pathlib.Path, str]]:
    """Find the tables of a folder whose splits hold loose images and one each.

    Args:
        path: of the folder.

    Returns:
        Pairs of a table's path and the split that it is of; none for any
        other folder.

    Raises:
        ValueError: if only some of the splits have one.
    """
    path = pathlib.Path(path)
    splits = {
        one: SPLIT_WORDS[one.name.lower()]
        for one in sorted(path.iterdir())
        if one.name.lower() in SPLIT_WORDS and one.is_dir()
    }
    found = {
        folder: [folder / one for one in IN_SPLITS if (folder / one).is_file()]
        for folder in splits
    }
    if not any(found.values()):
        return _annotations(path)
    wrong = [folder for folder, tables in found.items() if len(tables) != 1]
    if wrong:
        raise ValueError(
            f"{path}: expected one table in each split, one of {', '.join(IN_SPLITS)}. "
            f"Received: {len(found[wrong[0]])} in {wrong[0]}"
        )
    return [(tables[0], splits[folder]) for folder, tables in found.items()]


def is_of_split(parts: Sequence[str]) -> bool:
    """Return whether a path, as a list of names, is that of such a table."""
    coco = parts[-2:-1] == ["annotations"] and parts[-1].endswith(".json")
    return parts[-1] in IN_SPLITS or coco


def _annotations(path):
    """The same of COCO's folder, whose annotations/ has a document for each split."""
    folder = path / "annotations"
    tables = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not tables:
        return []
    # instances_train2017.json, labels_val.json
    words = [
        re.split(r"[_.-]", re.sub(r"\d+$", "", t.stem.lower()))[-1] for t in tables
    ]
    splits = [SPLIT_WORDS.get(word) for word in words]
    if None in splits or len({*splits}) < len(splits):
        raise ValueError(
            f"{path}: expected in annotations/ one .json for each split, such as "
            f"labels_train.json and labels_val.json. Received: "
            f"{few(one.name for one in tables)}. Name the one that is meant, such as "
            f"{tables[0]}"
        )
    pairs = zip(tables, splits, strict=True)
    return [(table, split) for table, split in pairs if split is not None]
