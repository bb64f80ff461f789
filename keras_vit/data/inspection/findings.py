"""Numbers -> sentences: what there is to know before training."""

from collections.abc import Mapping

import numpy as np

from keras_vit.data.classes import only_class
from keras_vit.data.dataset import Dataset
from keras_vit.data.groups import on_both_sides
from keras_vit.data.inspection.copies import Copies
from keras_vit.data.inspection.scanning import Scan
from keras_vit.data.labelled import Labelled
from keras_vit.decoding import range_as_text
from keras_vit.recipes import DataSettings

MOST_UNREADABLE = DataSettings.max_unreadable_fraction
FEW_IMAGES = 10  # of a class, to learn it from, and to measure it
IMBALANCE = 10  # how many times as large the largest class is as the smallest
SLENDER = 4  # how many times as long as wide
NAMED = 5  # classes


def find(
    dataset: Dataset, scans: Mapping[str, Scan], copies: Copies
) -> tuple[str, ...]:
    """Return what may spoil a training or an evaluation, worst first.

    Args:
        dataset: a `Dataset`.
        scans: a `Scan` for each of its splits, by name.
        copies: their `Copies`.

    Returns:
        A sentence each; none for a data set that nothing was found in.
    """
    return (
        *_of_leaks(copies),
        *on_both_sides(dataset),
        *_of_unreadable_images(scans),
        *_of_copies(copies),
        *_of_classes(dataset),
        *_of_shapes(scans),
        *dataset.notes,
        *_of_samples(dataset, scans),
        *_of_transparency(dataset, scans),
        *_of_what_is_not_read(scans),
    )


def _of_leaks(copies):
    for leak in copies.leaks:
        yield (
            f"{_images(leak.images)} of {leak.split} {_are(leak.images)} in "
            f"{leak.other} too: what is measured on {leak.split} is better than what "
            "can be expected on new images."
        )


def _of_unreadable_images(scans):
    for name, one in scans.items():
        count = len(one.errors)
        if not count:
            continue
        share = count / len(one.rows)
        means = ""
        if name == "train":
            ends = "ends above" if share <= MOST_UNREADABLE else "would end: it bears"
            means = f" Training {ends} {100 * MOST_UNREADABLE:g} %."
        too_large = int(one.rows["too_large"].sum())
        limit = f", {too_large:,} of them for their size" if too_large else ""
        yield (
            f"{_images(count)} of {name} ({100 * share:.3g} %) cannot be read{limit}."
            + means
        )


def _of_copies(copies):
    if copies.conflicts:
        yield (
            f"{_images(copies.conflicts)} {_are(copies.conflicts)} there more than "
            "once, with different classes."
        )
    for split, count in copies.within.items():
        if count:
            yield (
                f"{_images(count)} of {split} {'repeats' if count == 1 else 'repeat'} "
                f"another of {split}, and {'counts' if count == 1 else 'count'} anew."
            )


def _of_classes(dataset):
    for name, split in dataset.splits().items():
        lacking = np.flatnonzero(counts(dataset, split) == 0)
        if len(lacking):
            means = "nothing is learnt" if name == "train" else "nothing is measured"
            yield f"{name} has no image of {_named(dataset, lacking)}: {means} of that."
    of_train = counts(dataset, dataset.train)
    few = np.flatnonzero((of_train > 0) & (of_train < FEW_IMAGES))
    if len(few):
        yield f"train has fewer than {FEW_IMAGES} images of {_named(dataset, few)}."
    of_test = counts(dataset, dataset.test)
    few = np.flatnonzero((of_test > 0) & (of_test < FEW_IMAGES))
    if len(few):
        yield (
            f"test has fewer than {FEW_IMAGES} images of {_named(dataset, few)}: what "
            "is measured of these is left to chance."
        )
    only = only_class(dataset)
    if only is not None:
        yield f"All images of train show {only}: there is nothing to tell apart."
    largest = of_train.max()
    smallest = of_train[of_train > 0].min(initial=largest)
    if largest >= IMBALANCE * smallest > 0:
        yield (
            f"The largest class of train has {largest / smallest:,.0f} times as many "
            f"images as the smallest ({largest:,} and {smallest:,}): plain accuracy "
            "says little of the small ones."
        )


def _of_shapes(scans):
    slender = 0
    for one in scans.values():
        sizes, images = one.sizes()
        slender += int(images[sizes.max(1) > SLENDER * sizes.min(1)].sum())
    if slender:
        yield (
            f"{_images(slender)} {_are(slender)} more than {SLENDER} times as long as "
            "wide: resized to a square, they show little."
        )


def _of_samples(dataset, scans):
    rows = [one.rows for one in scans.values()]
    rows = np.concatenate([one[~np.isnan(one["low"])] for one in rows])
    if not len(rows):
        return
    low, high = rows["low"].min(), rows["high"].max()
    used = f"{low:,g} to {high:,g}"
    if np.isclose(low, round(low)) and np.isclose(high, round(high)):
        used = f"{low:,.0f} to {high:,.0f}"
    range_ = dataset.decoding.pixel_range
    read = "all that their bits can hold" if range_ is None else range_as_text(range_)
    yield (
        f"{_images(len(rows))} {'has' if len(rows) == 1 else 'have'} samples of more "
        f"than 8 bits, which use {used}. Read as black to white: {read} "
        "(--pixel_range=LOW:HIGH sets it)."
    )


def _of_transparency(dataset, scans):
    clear = sum(int(one.rows["clear"].sum()) for one in scans.values())
    if clear:
        images = sum(int(one.rows["readable"].sum()) for one in scans.values())
        background = dataset.decoding.background
        how = "dropped" if background == "ignore" else f"laid on {background}"
        yield (
            f"{clear:,} of {_images(images)} {'looks' if clear == 1 else 'look'} "
            "different with what is transparent dropped than on white. Transparency "
            f"is {how} (--background=white, black or ignore)."
        )


def _of_what_is_not_read(scans):
    rows = np.concatenate([one.readable() for one in scans.values()])
    pages = rows["pages"][rows["pages"] > 1].astype(int)
    if len(pages):
        left = int(pages.sum()) - len(pages)
        yield (
            f"{_images(len(pages))} {'has' if len(pages) == 1 else 'have'} more than "
            f"one page, up to {pages.max():,}: the first alone is read, and {left:,} "
            f"{'page is' if left == 1 else 'pages are'} not."
        )
    fourth = int(rows["fourth"].sum())
    if fourth:
        yield (
            f"{_images(fourth)} {'has' if fourth == 1 else 'have'} a fourth band, "
            "which is not read: RGB is."
        )


def counts(dataset: Dataset, split: Labelled) -> np.ndarray:
    """Count a split's images of each class, `(K,)`, unreadable ones too."""
    if split.labels.ndim == 2:
        return split.labels.sum(0).astype(int)
    return np.bincount(split.labels, minlength=dataset.num_classes)


def _named(dataset, classes):
    names = ", ".join(dataset.class_names[one] for one in classes[:NAMED])
    more = len(classes) - NAMED
    return f"{names} and {more:,} more classes" if more > 0 else names


def _images(count):
    return f"{count:,} image" if count == 1 else f"{count:,} images"


def _are(count):
    return "is" if count == 1 else "are"
