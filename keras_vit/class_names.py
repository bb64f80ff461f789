"""What a class's name may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

NO_ORDER = (str, bytes, Set, Mapping)  # what no order of outputs can be read from


def checked_names(
    class_names: Sequence[str] | None, units: int
) -> tuple[str, ...] | None:
    """Return the names of a layer's classes, if they are as many as its outputs.

    Args:
        class_names: in the order of the outputs; `None`: unknown.
        units: the outputs. One output stands for two classes: that the class
            of its name does not apply, and that it does. Their names may be
            given as one.

    Raises:
        ValueError: if the number of names differs, or for a name that is not one
            line of text.

    Example:

    >>> checked_names(["cat"], 1), checked_names(["cup", "pan"], 2)
    (('not cat', 'cat'), ('cup', 'pan'))
    """
    if class_names is None:
        return None
    if isinstance(class_names, NO_ORDER):
        raise ValueError(
            "class_names must be a sequence of names, in the order of the outputs: a "
            f"list or a tuple. Received: {type(class_names).__name__} {class_names!r}"
        )
    names = tuple(class_names)
    wrong = [name for name in names if name is None or isinstance(name, bytes)]
    if wrong:
        raise ValueError(
            f"class_names must be text. Received: {few(map(repr, wrong))}. "
            "Decode bytes: name.decode()"
        )
    names = tuple(str(name) for name in names)
    if units == 1 and len(names) == 1:
        names = (f"not {names[0]}", names[0])
    if len(names) != max(units, 2):
        expected = "1 or 2" if units == 1 else units
        raise ValueError(
            f"Expected {expected} class names, in the order of the model's {units} "
            f"outputs. Received: {len(names)} names"
        )
    check_lines(names)
    return names


def check_lines(names: Iterable[str]) -> None:
    """Refuse names that cannot stand in a file with one name per line.

    Raises:
        ValueError: naming those that are empty, not text, or of several lines.
    """
    wrong = [name for name in names if not _is_a_line(name)]
    if wrong:
        raise ValueError(
            "A class's name must be one line of text in UTF-8. "
            f"Received: {few(map(repr, wrong))}. Rename it"
        )


def _is_a_line(name):
    if not isinstance(name, str):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:  # of a folder whose name is not UTF-8
        return False
    return name.splitlines() == [name]


def few(words: Iterable[str]) -> str:
    """Name the first five of some words, and count the others."""
    words = list(words)
    more = f" and {len(words) - 5:,} more" if len(words) > 5 else ""
    return ", ".join(words[:5]) + more
