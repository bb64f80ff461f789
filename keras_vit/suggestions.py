"""A misspelt name -> the names that were probably meant."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, choices: Iterable[str], count: int = 1) -> str:
    """Return a question to put behind a message, or nothing.

    Args:
        name: what was received.
        choices: what would have been accepted.
        count: the most names to suggest.

    Returns:
        Text that begins with a space; empty where no choice is similar.

    Example:

    >>> did_you_mean("fasion_mnist", ["cifar10", "fashion_mnist"])
    " Did you mean 'fashion_mnist'?"
    >>> did_you_mean("mine", ["cifar10", "fashion_mnist"])
    ''
    """
    lowered = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(name.lower(), lowered, count, 0.7)
    if not near:
        return ""
    return f" Did you mean {' or '.join(repr(lowered[one]) for one in near)}?"
