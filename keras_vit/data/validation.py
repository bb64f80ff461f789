"""Which training images are taken for validation, where there is no such split."""

import math
from typing import Any

import numpy as np

from keras_vit.data.holdout import content_hash, held_out, path_hash
from keras_vit.data.labelled import Labelled


def check_fraction(fraction: Any) -> float:
    """Return the fraction of the training images that validation takes.

    Raises:
        TypeError: if it is no number.
        ValueError: if it does not lie between 0 and 1.

    Example:

    >>> check_fraction(0.1)
    0.1
    """
    if isinstance(fraction, bool) or not isinstance(fraction, int | float):
        raise TypeError(
            "validation must be the fraction of the training images that is taken for "
            f"validation, such as 0.1. Received: validation={fraction!r}"
        )
    if not 0 < fraction < 1:
        raise ValueError(
            "validation must lie above 0 and below 1: it is the fraction of the "
            "training images that is taken for validation, such as 0.1. "
            f"Received: validation={fraction}"
        )
    return fraction


def taken_for_validation(
    split: Labelled, fraction: float, where: str = "the data set"
) -> np.ndarray:
    """Choose the training images that are taken for validation.

    The hash of an image's bytes decides, not its name nor its place, so that
    copies of an image are on one side, and others may come or go: of a class of
    fewer than about 500 images one in some of these may move another image
    (`holdout.held_out`). Where groups are known, the hash of a group's name
    decides on all of its images.

    About the fraction of every class is taken, of a small class perhaps none. Every
    class keeps at least one image, or one group, to train on.

    Args:
        split: N training images.
        fraction: of them, in (0, 1).
        where: what the data set is called, for the message.

    Returns:
        Which images are taken, `(N,)` bool; at least one.

    Raises:
        ValueError: if the fraction is less than one image, or no class can spare
            one.
        OSError: if a record is damaged.

    Example:

    >>> from keras_vit.data import Split
    >>> images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), np.uint8)
    >>> split = Split(images, np.arange(40) % 2)
    >>> bool(7 <= taken_for_validation(split, 0.25).sum() <= 14)
    True
    """
    check_fraction(fraction)
    grouped = split.groups is not None
    what = "groups of images" if grouped else "images"
    hashes = _of_groups(split.groups) if grouped else None
    count = len(split) if hashes is None else len(np.unique(hashes))
    if count * fraction < 1:
        enough = f"Set validation={math.ceil(100 / count) / 100:g}" if count > 1 else ""
        raise ValueError(
            f"validation={fraction:g} must be at least one of the training {what}. "
            f"Received: {where}, which has {count}. {enough or f'Add {what}'}, or "
            "leave out validation"
        )
    if hashes is None:
        hashes = split.image_hashes()
    hashes = _independent(hashes)
    taken = held_out(hashes, split.labels, fraction=fraction, every_class=False)
    if not taken.any():
        taken = _first_to_spare(hashes, split.labels)
    if not taken.any():
        raise ValueError(
            f"validation must leave {what} of every class to train on. Received: "
            f"{where}, which has no class of two different training {what}. Add some, "
            "or leave out validation"
        )
    return taken


def _of_groups(groups):
    names, group = np.unique(groups, return_inverse=True)
    hashes = np.array([path_hash(name) for name in names.tolist()], np.uint64)
    return hashes[group.reshape(-1)]


def _independent(hashes):
    """Hashes that have nothing to do with those that chose the test images."""
    salted = (content_hash(b"validation %d" % one) for one in hashes.tolist())
    return np.fromiter(salted, np.uint64, len(hashes))


def _first_to_spare(hashes, labels):
    """The images of the lowest hash without which every class can be trained on."""
    for one in np.unique(hashes):
        taken = hashes == one
        if labels.ndim == 2:
            lost = labels[taken].any(0) & ~labels[~taken].any(0)
        else:
            lost = ~np.isin(labels[taken], labels[~taken])
        if not lost.any() and not taken.all():
            return taken
    return np.zeros(len(hashes), bool)
