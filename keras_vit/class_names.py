"""What a class's name may be."""

from collections.abc import Iterable


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
