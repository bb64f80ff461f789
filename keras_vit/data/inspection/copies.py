"""Rows of all splits -> images that are there more than once."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_vit.data.dataset import Dataset
from keras_vit.data.inspection.scanning import Scan


@dataclass(frozen=True)
class Place:
    """Where an image is found.

    Attributes:
        split: its split's name.
        name: as the split calls it: its path, or its number.
        classes: the names of its classes.
    """

    split: str
    name: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Leak:
    """Images of one split that are in another too.

    Attributes:
        split: in which they are counted.
        other: in which they are found again.
        images: how many images of `split` that concerns.
    """

    split: str
    other: str
    images: int


@dataclass(frozen=True)
class Copies:
    """Images that are there more than once.

    Attributes:
        groups: the places of each such image.
        within: for each split, how many of its images came before in it.
        leaks: the pairs of splits that share images.
        conflicts: of how many groups the classes differ.
    """

    groups: tuple[tuple[Place, ...], ...]
    within: dict[str, int]
    leaks: tuple[Leak, ...]
    conflicts: int


def find_copies(dataset: Dataset, scans: Mapping[str, Scan]) -> Copies:
    """Compare the digests of all readable images.

    Args:
        dataset: a `Dataset`.
        scans: a `Scan` for each of its splits, by name.
    """
    found = {name: one.rows["readable"] for name, one in scans.items()}
    digests = np.concatenate(
        [scans[name].rows["digest"][found[name]] for name in found]
    )
    indices = np.concatenate([scans[name].indices[found[name]] for name in found])
    contents = np.unique(digests, return_inverse=True)[1].reshape(-1)
    ends = np.cumsum([readable.sum() for readable in found.values()])
    names = [*found]

    def place(row):
        split = names[np.searchsorted(ends, row, side="right")]
        return place_of(dataset, split, int(indices[row]))

    groups = tuple(tuple(map(place, rows)) for rows in _repeated(contents))
    by_split = dict(zip(names, np.split(contents, ends[:-1]), strict=True))
    return Copies(
        groups=groups,
        within={name: len(own) - len(np.unique(own)) for name, own in by_split.items()},
        leaks=tuple(_leaks(by_split)),
        conflicts=sum(len({place.classes for place in group}) > 1 for group in groups),
    )


def place_of(dataset: Dataset, split: str, index: int) -> Place:
    """Return the `Place` of an image of a data set's split."""
    images = dataset.splits()[split]
    label = images.labels[index]
    classes = np.flatnonzero(label) if np.ndim(label) else [label]
    names = tuple(dataset.class_names[one] for one in classes)
    return Place(split, images.name(index), names)


def _repeated(contents):
    """The rows of each content that has several."""
    rows = np.flatnonzero(np.bincount(contents)[contents] > 1)
    if not len(rows):
        return []
    rows = rows[np.argsort(contents[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(contents[rows])) + 1)


def _leaks(by_split):
    """Count the images of each later split that an earlier one has."""
    for earlier, later in itertools.combinations(by_split, 2):
        images = int(np.isin(by_split[later], by_split[earlier]).sum())
        if images:
            yield Leak(later, earlier, images)
