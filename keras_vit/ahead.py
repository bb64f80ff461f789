"""Work that is done while its last result is used."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def one_ahead(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Yield a function's results, in order; a thread already works at the next one.

    No thread is left behind when the iterator is closed or the function raises. What
    it raises is raised where its result would have been.

    Args:
        function: called with one item at a time.
        items: taken one more than was asked for.

    Example:

    >>> [*one_ahead(abs, [-1, 2, -3])]
    [1, 2, 3]
    """
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = [thread.submit(function, item) for item in islice(items, 1)]
        while coming:
            result = coming.pop().result()
            coming = [thread.submit(function, item) for item in islice(items, 1)]
            yield result
