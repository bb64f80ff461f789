"""What a data set is: splits of images and labels, and the classes' names."""

import dataclasses
import re
import warnings
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from keras_vit.data.classes import check_lines
from keras_vit.data.labelled import Labelled
from keras_vit.data.validation import taken_for_validation
from keras_vit.decoding import Decoding


@dataclass(frozen=True)
class Dataset:
    """Images to learn from, images to be tested on, and the classes' names.

    Attributes:
        name: what people call it.
        train: a split: `Split`, `Files`, `Records`, or what else fulfils `Labelled`.
        test: another.
        class_names: in the order of the labels.
        validation: a third split; `None` where there is none.
        notes: what there is to know of how it was read, a sentence each.

    Example:

    >>> pixels = np.zeros((4, 28, 28, 3), np.uint8)
    >>> split = data.Split(pixels, np.array([0, 1, 0, 1]))
    >>> Dataset("cats and dogs", split, split, ("cat", "dog")).num_classes
    2
    """

    name: str
    train: Labelled
    test: Labelled
    class_names: tuple[str, ...]
    validation: Labelled | None = None
    _: KW_ONLY
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_lines(self.class_names)
        for name, split in self.splits().items():
            if not len(split):
                raise ValueError(
                    "Expected at least one image in each split. Received: the data set "
                    f"{self.name!r}, which has an empty split: {name}. Leave it out or "
                    "add images"
                )
            split.check_classes(self.num_classes)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def decoding(self) -> Decoding:
        """The `Decoding` that reads image files such as those of the training split."""
        return self.train.decoding

    def decoded(self, decoding: Decoding) -> "Dataset":
        """Return the data set with its image files read in another way.

        Splits in memory, and records, stay as they are.

        Args:
            decoding: a `keras_vit.decoding.Decoding`.
        """
        splits: dict[str, Any] = {
            name: split.decoded(decoding) for name, split in self.splits().items()
        }
        return dataclasses.replace(self, **splits)

    def splits(self) -> dict[str, Labelled]:
        """Return all splits by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def split(self, name: str) -> Labelled:
        """Return a split, or a part of one, as TensorFlow Datasets writes it.

        A part is cut from the split in an order that is shuffled once with a
        fixed seed, so that every class is in it; TensorFlow Datasets' own
        records, which were shuffled when they were written, keep their order.
        Images of one group are in one part, which may be a little larger or
        smaller for that.

        Args:
            name: `"train"`, `"validation"`, `"test"`, or such as
                `"train[:98%]"`, `"train[98%:]"`, `"train[1000:2000]"`.

        Raises:
            ValueError: for a name that is none of these, a split that the data
                set does not have, or an empty part.

        Example:

        >>> len(data.load("fashion_mnist_sample").split("train[:98%]"))
        11760
        """
        found = check_split_name(name)
        splits = self.splits()
        if found["split"] not in splits:
            raise ValueError(
                f"Expected a split of the data set {self.name!r}: "
                f"{', '.join(splits)}, or a part such as train[:98%]. "
                f"Received: {name!r}"
            )
        split = splits[found["split"]]
        if found["slice"] is None:
            return split
        first, last = (
            _place(found[side], len(split), default)
            for side, default in (("first", 0), ("last", len(split)))
        )
        indices = _cut(split, first, last)
        if not len(indices):
            raise ValueError(
                f"Expected a part with at least one image. Received: {name} of "
                f"{self.name!r}, which is empty: {found['split']} has "
                f"{len(split):,} images. Choose wider bounds"
            )
        return split.subset(indices)

    def with_validation(self, fraction: float) -> "Dataset":
        """Return the data set with a validation split, taken from training.

        Args:
            fraction: of the training images, in (0, 1), which the hash of each
                one's bytes, or of its group's name, chooses: about as many of
                every class (`validation.taken_for_validation`).

        Raises:
            TypeError: for anything but a number.
            ValueError: if there is a validation split already, or too few images
                for one.
            OSError: if a record is damaged.

        Example:

        >>> sample = data.load("fashion_mnist_sample").with_validation(0.1)
        >>> len(sample.train) + len(sample.validation)
        12000
        """
        if self.validation is not None:
            raise ValueError(
                "Expected a data set without a validation split. Received: "
                f"{self.name!r}, which has one of {len(self.validation):,} images. "
                "Leave out validation"
            )
        taken = taken_for_validation(self.train, fraction, self.name)
        return dataclasses.replace(
            self,
            train=self.train.subset(np.flatnonzero(~taken)),
            validation=self.train.subset(np.flatnonzero(taken)),
        )

    def part(self, name: str) -> Labelled:
        """Return `split(name)`, under its old name.

        Deprecated: call `split`.
        """
        warnings.warn(
            "Dataset.part is called Dataset.split; the old name will be removed in "
            "the next version.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.split(name)


def check_split_name(name: str) -> re.Match[str]:
    """Return the pieces of a split's name.

    Args:
        name: as `Dataset.split` takes it.

    Returns:
        A match with the groups `split`, `slice`, `first` and `last`.

    Raises:
        TypeError: for anything but text.
        ValueError: for text that names no split.

    Example:

    >>> check_split_name("train[:98%]")["last"]
    '98%'
    """
    if not isinstance(name, str):
        raise TypeError(f"split must be {_SPLITS}. Received: {name!r}")
    found = _PART.fullmatch(name)
    if not found:
        raise ValueError(f"split must be {_SPLITS}. Received: {name!r}")
    return found


def _cut(split, first, last):
    """The indices of a share, from its first place to its last."""
    draw, count = np.random.default_rng(0), len(split)
    if split.groups is None:
        order = np.arange(count) if split.in_random_order else draw.permutation(count)
        return np.sort(order[first:last])
    names, group = np.unique(split.groups, return_inverse=True)
    # Each group lies whole behind the others, and where its first image lies counts.
    order = draw.permutation(len(names))
    sizes = np.bincount(group.reshape(-1), minlength=len(names))[order]
    begins = np.cumsum(sizes) - sizes
    inside = order[(first <= begins) & (begins < last)]
    return np.flatnonzero(np.isin(group.reshape(-1), inside))


_SPLITS = (
    "train, validation or test, or a part of one such as train[:98%] or "
    "train[1000:2000]"
)
_PART = re.compile(
    r"(?P<split>train|validation|test)"
    r"(?P<slice>\[(?P<first>\d+%?)?:(?P<last>\d+%?)?\])?"
)


def _place(text, count, default):
    if text is None:
        return default
    if text.endswith("%"):
        return round(count * int(text[:-1]) / 100)
    return int(text)
