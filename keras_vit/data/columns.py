"""The names of a table's columns -> which of them is what."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from keras_vit.data.classes import few

# What a column, or a key, may be called: in lower case, words joined by "_".
PATH = (
    *("path", "file", "filename", "file_name", "filepath", "file_path"),
    *("image", "image_path", "image_file", "image_name", "image_index"),
    *("img", "img_path", "img_name", "image_url", "source_ref", "filepaths"),
)
ID = ("id", "image_id", "img_id")  # where no column is a path
LABEL = (
    *("label", "labels", "class", "class_name", "target", "category"),
    *("finding_labels", "choice"),
)
SPLIT = ("split", "subset")
FLAGS = {"is_valid": "validation", "is_test": "test"}  # true or false
FOLD = ("fold", "kfold")
_BELONG = ("patient", "subject", "lesion", "person", "participant", "study")
# What Label Studio notes beside a label, whose column is called as its control.
_NOTED = ("annotation_id", "annotator", "lead_time")
_OF_LABEL_STUDIO = (*_NOTED, "id", "created_at", "updated_at", "agreement", "comments")
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
        told = (
            f"The path is read from column {self.names[self.image].strip()!r}, the "
            f"label from {label}; not used: {', '.join(rest)}."
        )
        belong = [name for name in rest if any(one in plain(name) for one in _BELONG)]
        if belong and self.group is None:
            told += f" group={belong[0]!r} would keep its images on one side."
        return told


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


def find_columns(
    names: Iterable[str],
    first: Sequence[str],
    options: TableOptions,
    where: str | os.PathLike[str],
) -> Columns:
    """Find which column is what, by its name or as the options say.

    Where there are but two columns beside the others, the first is the path
    and the second the label. Where the path is known and no label, columns
    that hold 0 or 1 are one for each class.

    Args:
        names: of the columns.
        first: the values of the first row, text; `()` if there is none.
        options: `TableOptions`.
        where: the table's path, for messages.

    Returns:
        `Columns`.

    Raises:
        ValueError: if they cannot be told, or one that is asked for is missing.
    """
    names = tuple(names)
    group = options.group and _place(names, options.group)
    if options.group and group is None and re.fullmatch(r"[\w -]+", options.group):
        raise _lacking(names, options.group, where, "group")
    sides = _sides(names)
    if options.fold is not None and "fold" not in sides:
        raise ValueError(
            f"{where}: fold must go with a column {' or '.join(FOLD)}, and without one "
            f"of {', '.join((*SPLIT, *FLAGS))}. Received the columns {', '.join(names)}"
        )
    passed = (*SPLIT, *FLAGS, *FOLD)
    if {*_NOTED} <= {*map(plain, names)}:
        passed += _OF_LABEL_STUDIO
    rest = [
        place
        for place, name in enumerate(names)
        if name.strip() and plain(name) not in passed
        if place != group
    ]
    image = _one(
        names,
        options.image_column,
        (PATH, ID),
        rest,
        where=where,
        option="image_column",
    )
    labels = _labels(names, options.label_column, rest, where)
    if len(rest) == 2 and (image is None or not labels):
        if image is None:
            image = rest[0] if labels != (rest[0],) else rest[1]
        labels = (rest[1] if image == rest[0] else rest[0],)
    one_hot = len(labels) > 1
    if image is not None and not labels:
        labels = tuple(place for place in rest if place != image)
        one_hot = len(labels) > 1 and len(first) == len(names)
        one_hot = one_hot and all(first[p].strip() in _ZERO_OR_ONE for p in labels)
        labels = labels if one_hot else ()
    if image is not None and not labels and _of_minus_ones(names, first, rest, image):
        below = few(names[p] for p in rest if first[p].strip().startswith("-1"))
        raise ValueError(
            f"{where}: expected 0 or 1 in the columns of classes. Received: -1 in "
            f"{below}, which "
            "some mean as no (CelebA) and some as uncertain (CheXpert). Write 0 or 1"
        )
    if image is None or not labels:
        raise _untold(names, where)
    return Columns(names, image, labels, one_hot, group=group, **sides)


def _of_minus_ones(names, first, rest, image):
    """Whether the first row has numbers -1, 0 or 1 in each column of a class."""
    if len(first) != len(names) or len(rest) < 3:
        return False
    values = {first[place].strip() for place in rest if place != image}
    return bool(values & {"-1", "-1.0"}) and values <= {"-1", "-1.0", *_ZERO_OR_ONE}


def _place(names, wanted):
    """The place of a name, as it is written or at least alike; `None` without."""
    for form in (str, plain):
        places = [p for p, name in enumerate(names) if form(name) == form(wanted)]
        if len(places) == 1:
            return places[0]
    return None


def _one(names, wanted, lists, rest, *, where, option):
    if wanted is not None:
        place = _place(names, wanted)
        if place is None:
            raise _lacking(names, wanted, where, option)
        return place
    for one in lists:
        places = [place for place in rest if plain(names[place]) in one]
        if len(places) > 1:
            raise _untold(names, where)
        if places:
            return places[0]
    return None


def _labels(names, wanted, rest, where):
    """The places of the label; several for columns of 0 and 1."""
    if wanted is not None and "," in wanted and _place(names, wanted) is None:
        parts = wanted.split(",")
        return tuple(
            _one(names, part, (), rest, where=where, option="label_column")
            for part in parts
        )
    place = _one(names, wanted, (LABEL,), rest, where=where, option="label_column")
    return () if place is None else (place,)


def _sides(names):
    """Return how a split is marked: by a column, else flags, else folds."""
    places = {plain(name): place for place, name in enumerate(names)}
    for kind, known_names in (("split", SPLIT), ("flags", FLAGS), ("fold", FOLD)):
        found = [name for name in known_names if name in places]
        if kind == "flags" and found:
            return {kind: tuple((places[name], FLAGS[name]) for name in found)}
        if found:
            return {kind: places[found[0]]}
    return {}


def _lacking(names, wanted, where, option):
    return ValueError(
        f"{where}: {option} must be one of its columns, {', '.join(names)}. "
        f"Received: {option}={wanted!r}"
    )


def _untold(names, where):
    return ValueError(
        f"{where}: expected one column for the path ({', '.join((*PATH, *ID))}), one "
        f"for the label ({', '.join(LABEL)}) and perhaps one for the split "
        f"({', '.join((*SPLIT, *FLAGS, *FOLD))}); or just two columns, path and label; "
        "or a path and columns of 0 and 1, one for each class. --image_column and "
        f"--label_column name others. Received: {_some(names) or 'nothing'}"
    )


def _some(names):
    """The first twenty of some columns; a table of pixels has hundreds."""
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more


def truth(text: str) -> bool | None:
    """Return what a word means, `True` or `False`; `None` if neither."""
    return _TRUTH.get(text.strip().lower())


def zero_or_one(text: str) -> bool | None:
    """Return the truth of a number that is 0 or 1; `None` for other text."""
    return _ZERO_OR_ONE.get(text.strip())


def check_unnamed(options: TableOptions, path: str | os.PathLike[str]) -> None:
    """Refuse options that name a column where columns have no names."""
    given = [
        name
        for name in ("fold", "image_column", "label_column")
        if getattr(options, name) is not None
    ]
    if given:
        raise ValueError(
            f"{', '.join(given)} must go with a table whose first line names its "
            f"columns. Received: {path}"
        )
