"""What the columns of a table are called, and what each of them is."""

import os
import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from keras_vit.data.classes import few

# What a column, or a key, may be called: in lower case, words joined by "_".
PATH = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_file",
    "image_name",
    "image_index",
    "img",
    "img_path",
    "img_name",
    "image_url",
    "source_ref",
    "filepaths",
)
ID = ("id", "image_id", "img_id")  # where no column is a path
LABEL = (
    "label",
    "labels",
    "class",
    "class_name",
    "target",
    "category",
    "finding_labels",
    "choice",
)
SPLIT = ("split", "subset")
FLAGS = {"is_valid": "validation", "is_test": "test"}  # true or false
FOLD = ("fold", "kfold")
_BELONG = ("patient", "subject", "lesion", "person", "participant", "study")
# What Label Studio notes beside a label, whose column is called as its control.
NOTED = ("annotation_id", "annotator", "lead_time")
OF_LABEL_STUDIO = (*NOTED, "id", "created_at", "updated_at", "agreement", "comments")
_TRUTH = {"true": True, "1": True, "1.0": True, "yes": True} | {
    "false": False,
    "0": False,
    "0.0": False,
    "no": False,
}
_ZERO_OR_ONE = {"0": False, "1": True, "0.0": False, "1.0": True}


@dataclass(frozen=True)
class TableOptions:
    """How a table is to be read, as `keras_vit.data.load` takes it.

    Attributes:
        group: a column that names the group of images that belong together, or a
            regular expression that finds it in a path.
        fold: of a column of folds the one to be tested on.
        image_column: the column of the path.
        label_column: of the label; or columns of 0 and 1, separated by commas.
        suffix: what is added to each path.
    """

    group: str | None = None
    fold: int | None = None
    image_column: str | None = None
    label_column: str | None = None
    suffix: str | None = None


@dataclass(frozen=True)
class Columns:
    """Which column is what; each is a place among them.

    Attributes:
        names: of all columns, as they are written.
        image: the path.
        labels: the label; or several, with 0 or 1 for each of their classes.
        one_hot: whether a row's label is a tuple of which one name each makes
            labels of one class: of such columns, and of annotations.
        split: the split's name; `None` where no column has it.
        flags: pairs of a column of true or false and the split it marks.
        fold: the fold; `None`.
        group: the group; `None`.
    """

    names: tuple[str, ...]
    image: int
    labels: tuple[int, ...]
    one_hot: bool = False
    _: KW_ONLY
    split: int | None = None
    flags: tuple[tuple[int, str], ...] = ()
    fold: int | None = None
    group: int | None = None

    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes that have a column of 0 and 1 each."""
        if len(self.labels) < 2:
            return ()
        return tuple(self.names[place].strip() for place in self.labels)

    def note(self) -> str | None:
        """Return a sentence on the columns that are not used; `None` if all are."""
        used = {self.image, *self.labels, self.split, self.fold, self.group}
        used |= {place for place, _ in self.flags}
        rest = [
            name.strip()
            for place, name in enumerate(self.names)
            if place not in used and name.strip()
        ]
        if not rest:
            return None
        label = few(repr(self.names[place].strip()) for place in self.labels)
        note = (
            f"The path is read from column {self.names[self.image].strip()!r}, the "
            f"label from {label}; not used: {', '.join(rest)}."
        )
        belong = [name for name in rest if any(one in plain(name) for one in _BELONG)]
        if belong and self.group is None:
            note += f" group={belong[0]!r} would keep its images on one side."
        return note


def plain(name: str) -> str:
    """Return a column's name in lower case, its words joined by "_"."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def known(names: Sequence[str], options: TableOptions) -> int:
    """Count the names that are known, or asked for."""
    wanted = {plain(one) for one in _asked(options)}
    every = {*PATH, *ID, *LABEL, *SPLIT, *FLAGS, *FOLD, *wanted}
    return sum(plain(name) in every for name in names)


def _asked(options):
    names = [options.image_column, options.label_column, options.group]
    names += (options.label_column or "").split(",")
    return [name for name in names if name]


def truth(text: str) -> bool | None:
    """Return what a word means, `True` or `False`; `None` if neither."""
    return _TRUTH.get(text.strip().lower())


def zero_or_one(text: str) -> bool | None:
    """Return the truth of a number that is 0 or 1; `None` for other text."""
    return _ZERO_OR_ONE.get(text.strip())


def check_unnamed(options: TableOptions, path: str | os.PathLike[str]) -> None:
    """Refuse options that name a column where columns have no names."""
    refused = [
        name
        for name in ("fold", "image_column", "label_column")
        if getattr(options, name) is not None
    ]
    if refused:
        raise ValueError(
            f"{', '.join(refused)} must go with a table whose first line names its "
            f"columns. Received: {path}"
        )
