"""Images that belong together, such as those of a patient: on one side of a split."""

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.data.classes import few
from keras_vit.data.holdout import held_out, path_hash

if TYPE_CHECKING:
    from keras_vit.data.dataset import Dataset


def group_pattern(text: str) -> re.Pattern[bytes]:
    """Compile the pattern that finds a group's name in an image's path.

    Args:
        text: a regular expression.

    Raises:
        ValueError: if it is none.
    """
    try:
        return re.compile(os.fsencode(text))
    except re.error as error:
        raise ValueError(
            "group must be a regular expression that finds a group's name in a path, "
            f"such as (patient\\d+)_ ({error}). Received: {text!r}"
        ) from None


def groups_of_paths(
    paths: Iterable[bytes], root: bytes, pattern: re.Pattern[bytes]
) -> np.ndarray:
    """Return the group of each image, by its path.

    Args:
        paths: of images, bytes.
        root: the bytes of the data set's folder, with a slash at its end,
            which counts for nothing.
        pattern: from `group_pattern`. A group's name is what its first
            parentheses match, or all that it matches.

    Returns:
        Names `(N,)`, bytes.

    Raises:
        ValueError: naming a path that it does not match.
    """
    names = []
    for path in paths:
        found = pattern.search(path.removeprefix(root))
        name = found and (found[1] if pattern.groups else found[0])
        if not name:
            raise ValueError(
                "group must match the path of every image, and what it matches there "
                "is the name of a group. Received: "
                f"group={os.fsdecode(pattern.pattern)}, which finds none in "
                f"{os.fsdecode(path)}"
            )
        names.append(name)
    return np.array(names, np.bytes_)


def divided_groups(
    groups: np.ndarray, labels: np.ndarray, where: str | os.PathLike[str]
) -> np.ndarray:
    """Choose the images to be tested on, as `holdout.held_out` does, in whole groups.

    Args:
        groups: the name of each image's group, bytes `(N,)`.
        labels: as `holdout.held_out` takes them.
        where: what is read, for the message.

    Returns:
        Which images are tested on, `(N,)` bool.

    Raises:
        ValueError: if no class has two groups, so that none can be tested on.
    """
    names, of_images = np.unique(groups, return_inverse=True)
    hashes = np.array([path_hash(name) for name in names.tolist()], np.uint64)
    tested = held_out(hashes[of_images.reshape(-1)], labels)
    if not tested.any():
        raise ValueError(
            f"{where}: expected classes of at least two groups, to train on some and "
            f"test on others. Received: {len(names):,} groups ({_texts(names)}), each "
            "alone in its classes. Choose another group, or say in a column split, or "
            "by folders, what is for testing"
        )
    return tested


def on_both_sides(dataset: "Dataset") -> Iterator[str]:
    """Yield a sentence for each two splits that have images of one group."""
    splits = {
        name: np.unique(split.groups)
        for name, split in dataset.splits().items()
        if split.groups is not None
    }
    for (one, its), (other, others) in itertools.combinations(splits.items(), 2):
        shared = np.intersect1d(its, others)
        if len(shared):
            count = (
                "1 group has" if len(shared) == 1 else f"{len(shared):,} groups have"
            )
            yield (
                f"{count} images both in {one} and in {other} ({_texts(shared)}): what "
                f"is measured on {other} is better than what can be expected of new "
                "groups."
            )


def _texts(names):
    return few(os.fsdecode(name) for name in names)
