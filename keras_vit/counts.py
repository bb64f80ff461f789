"""Whole numbers that arguments take."""

import numbers
from typing import Any


def check_counts(least: int = 1, or_none: str = "", **counts: Any) -> None:
    """Refuse what is no whole number, or one below `least`.

    Args:
        least: the lowest that is taken.
        or_none: what else is taken, for the message.
        **counts: the numbers, by the names of their arguments.

    Raises:
        ValueError: naming the argument, what was expected and what came.

    Example:

    >>> check_counts(batch_size=8)
    """
    for argument, value in counts.items():
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not whole or value < least:
            raise ValueError(
                f"{argument} must be an integer of at least {least}{or_none}. "
                f"Received: {argument}={value!r}"
            )
