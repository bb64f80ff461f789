"""Lines that the package logs, and progress bars, shown as `verbose` says."""

import contextlib
import contextvars
import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

# As Keras has it: 0: nothing; 1: lines and a progress bar; 2: lines.
Verbose: TypeAlias = Literal[0, 1, 2]
LOGGER = logging.getLogger("keras_vit")
_BARS = contextvars.ContextVar("_BARS", default=True)


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


def bars_shown() -> bool:
    """Return whether progress bars are drawn here: not under `verbose` 0 or 2."""
    return _BARS.get()


def progress_bar(items: Iterable[Any] | None = None, **options: Any) -> Any:
    """Return a bar of tqdm's: where bars are shown, and only of what takes time.

    Args:
        items: what is gone through; `None`: the bar is moved by its `update`.
        **options: of tqdm, such as `unit` and `total`.

    Example:

    >>> list(progress_bar("ab", unit=" letters"))
    ['a', 'b']
    """
    from tqdm import tqdm

    usual: dict[str, Any] = {
        "delay": 1,
        "mininterval": 0.1 if sys.stderr.isatty() else 15,
        "dynamic_ncols": True,
    }
    return tqdm(items, disable=not bars_shown(), **usual | options)


@contextlib.contextmanager
def lines_shown(verbose: Verbose) -> Iterator[None]:
    """Print what the package logs meanwhile, a line a message.

    A program that has set up logging for such messages gets them as any others,
    and nothing is printed beside. Progress bars of all parts of the package are
    drawn with 1 alone (see `bars_shown`).

    Args:
        verbose: 0: nothing is printed.

    Example:

    >>> with lines_shown(2):
    ...     LOGGER.info("3 images")
    3 images
    """
    check_verbose(verbose)
    bars = _BARS.set(verbose == 1)
    try:
        with _lines_printed() if verbose else contextlib.nullcontext():
            yield
    finally:
        _BARS.reset(bars)


@contextlib.contextmanager
def _lines_printed() -> Iterator[None]:
    set_up = LOGGER.isEnabledFor(logging.INFO) and LOGGER.hasHandlers()
    if set_up:
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
