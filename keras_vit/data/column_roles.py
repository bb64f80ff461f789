"""The names of a table's columns -> which of them is what."""

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from keras_vit.data.classes import few
from keras_vit.data.columns import (
    FLAGS,
    FOLD,
    ID,
    LABEL,
    NOTED,
    OF_LABEL_STUDIO,
    PATH,
    SPLIT,
    Columns,
    TableOptions,
    plain,
    zero_or_one,
)


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
        ValueError: if they cannot be recognized, or one that is asked for is missing.
    """
    names = tuple(names)
    group = None if not options.group else _place(names, options.group)
    if options.group and group is None and re.fullmatch(r"[\w -]+", options.group):
        raise _lacking(names, options.group, where, "group")
    sides = _sides(names)
    if options.fold is not None and "fold" not in sides:
        raise ValueError(
            f"{where}: fold must go with a column {' or '.join(FOLD)}, and without one "
            f"of {', '.join((*SPLIT, *FLAGS))}. Received the columns {', '.join(names)}"
        )
    passed = (*SPLIT, *FLAGS, *FOLD)
    if {*NOTED} <= {*map(plain, names)}:
        passed += OF_LABEL_STUDIO
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
        one_hot = one_hot and all(zero_or_one(first[p]) is not None for p in labels)
        labels = labels if one_hot else ()
    if image is not None and not labels and _of_minus_ones(names, first, rest, image):
        below = few(names[p] for p in rest if first[p].strip().startswith("-1"))
        raise ValueError(
            f"{where}: expected 0 or 1 in the columns of classes. Received: -1 in "
            f"{below}, which "
            "some mean as no (CelebA) and some as uncertain (CheXpert). Write 0 or 1"
        )
    if image is None or not labels:
        raise _without_labels(names, where)
    return Columns(names, image, labels, one_hot, group=group, **sides)


def _of_minus_ones(names, first, rest, image):
    """Whether the first row has numbers -1, 0 or 1 in each column of a class."""
    if len(first) != len(names) or len(rest) < 3:
        return False
    values = {first[place].strip() for place in rest if place != image}
    return bool(values & {"-1", "-1.0"}) and all(
        one in ("-1", "-1.0") or zero_or_one(one) is not None for one in values
    )


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
            raise _without_labels(names, where)
        if places:
            return places[0]
    return None


def _labels(names, wanted, rest, where) -> tuple[Any, ...]:
    """The places of the label; several for columns of 0 and 1."""
    if wanted is not None and "," in wanted and _place(names, wanted) is None:
        parts = wanted.split(",")
        return tuple(
            _one(names, part, (), rest, where=where, option="label_column")
            for part in parts
        )
    place = _one(names, wanted, (LABEL,), rest, where=where, option="label_column")
    return () if place is None else (place,)


def _sides(names) -> dict[str, Any]:
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


def _without_labels(names, where):
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
