"""Images that belong together, such as those of a patient: on one side of a split."""

import itertools
import os
import re

import numpy as np

from keras_vit.data.classes import few
from keras_vit.data.shares import path_hash


def group_pattern(text):
    """Compiles the pattern that finds a group's name in an image's path.

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


def groups_of_paths(paths, root, pattern):
    """Gives the group of each image, by its path.

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


def group_hashes(groups):
    """Gives the hash of each image's group, `(N,)` uint64."""
    names, of_images = np.unique(groups, return_inverse=True)
    hashes = np.array([path_hash(name) for name in names.tolist()], np.uint64)
    return hashes[of_images.reshape(-1)]


def check_groups(groups, where):
    """Refuses what cannot be divided: fewer than two groups.

    Raises:
        ValueError: naming the one.
    """
    names = np.unique(groups)
    if len(names) < 2:
        raise ValueError(
            f"{where}: group must tell at least two groups of images apart, to train "
            f"on some and test on others. Received: {_texts(names)} alone"
        )


def on_both_sides(dataset):
    """Yields a sentence for each two splits that have images of one group."""
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
