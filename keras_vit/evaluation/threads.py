"""How many threads an estimate is worth."""

from __future__ import annotations

from typing import Any

SMALL = 10**9  # multiplications, for which threads wait longer than they work


def threads_for(multiplications: int) -> Any:
    """Return a context of one thread for small work, of all of them for other.

    Example:

    >>> with threads_for(100):
    ...     1 + 1
    2
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if multiplications < SMALL else None)
