"""What a data set is: splits of images and labels, and the classes' names."""

import dataclasses
import re
from dataclasses import dataclass

import numpy as np

from keras_vit.data.classes import check_lines
from keras_vit.data.splits import Files, Split
from keras_vit.decoding import Decoding


@dataclass(frozen=True)
class Dataset:
    """Images to learn from, images to be tested on, and the classes' names.

    Attributes:
        name: what people call it.
        train: a split: `Split`, `Files`, `Records`, or what has their methods.
        test: another.
        class_names: in the order of the labels.
        validation: a third split; `None` where there is none.
        notes: what there is to know of how it was read, a sentence each.

    Example:

    >>> pixels = np.zeros((4, 28, 28, 3), np.uint8)
    >>> split = Split(pixels, np.array([0, 1, 0, 1]))
    >>> Dataset("cats and dogs", split, split, ("cat", "dog")).num_classes
    2
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    validation: Split | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        check_lines(self.class_names)
        for split in self.splits().values():
            if not len(split):
                raise ValueError(f"The data set {self.name!r} has an empty split.")
            split.check_classes(self.num_classes)

    @property
    def num_classes(self):
        return len(self.class_names)

    @property
    def decoding(self):
        """How image files such as those of the training split are read."""
        return getattr(self.train, "decoding", Decoding())

    def decoded(self, decoding):
        """Return the data set with its files read in another way.

        Splits in memory, and records, stay as they are.

        Args:
            decoding: a `keras_vit.decoding.Decoding`.
        """
        splits = {
            name: dataclasses.replace(split, decoding=decoding)
            for name, split in self.splits().items()
            if isinstance(split, Files)
        }
        return dataclasses.replace(self, **splits)

    def splits(self):
        """All splits, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def part(self, name):
        """Gives a split, or a share of one, as TensorFlow Datasets writes it.

        A share is cut from the split in an order that is shuffled once and
        for all, so that every class is in it; TensorFlow Datasets' own
        records, which were shuffled when they were written, as they lie. Images
        of one group are in one share, which may be a little larger or smaller
        for that.

        Args:
            name: `"train"`, `"validation"`, `"test"`, or such as
                `"train[:98%]"`, `"train[98%:]"`, `"train[1000:2000]"`.

        Raises:
            ValueError: for a name that is none of these, or an empty share.

        Example:

        >>> len(data.load("fashion_mnist_sample").part("train[:98%]"))
        11760
        """
        found = _PART.fullmatch(name)
        splits = self.splits()
        if not found or found["split"] not in splits:
            raise ValueError(
                f"Expected one of {', '.join(splits)}, or a share such as train[:98%]. "
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
            raise ValueError(f"{name} of {self.name!r} is empty.")
        return split.subset(indices)


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
