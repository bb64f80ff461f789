"""What the package logs, shown to who has not set up logging."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Literal, TypeAlias

# As Keras has it: 0: nothing; 1: lines and a progress bar; 2: lines.
Verbose: TypeAlias = Literal[0, 1, 2]
LOGGER = logging.getLogger("keras_vit")


def check_verbose(verbose: Verbose) -> None:
    """Refuse what says no verbosity.

    Raises:
        ValueError: for anything but 0, 1 and 2.
    """
    if verbose not in (0, 1, 2):
        raise ValueError(
            "verbose must be 0 (silent), 1 (lines and a progress bar) or 2 (lines). "
            f"Received: verbose={verbose!r}"
        )


@contextlib.contextmanager
def lines_shown(verbose: Verbose) -> Iterator[None]:
    """Print what the package logs meanwhile, a line a message.

    A program that has set up logging for such messages gets them as any others,
    and nothing is printed beside.

    Args:
        verbose: 0: nothing is printed.

    Example:

    >>> with lines_shown(2):
    ...     LOGGER.info("3 images")
    3 images
    """
    check_verbose(verbose)
    set_up = LOGGER.isEnabledFor(logging.INFO) and LOGGER.hasHandlers()
    if not verbose or set_up:
        yield
        return
    handler, before = _Lines(), (LOGGER.level, LOGGER.propagate)
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before[0])
        LOGGER.propagate = before[1]


class _Lines(logging.Handler):
    """Writes messages to standard output, above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stdout)
