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
    """Return a progress bar of `tqdm`, with the rate and the time that remains.

    Args:
        items: that it counts while they are iterated over; `None`: its `update` counts.
        **options: as `tqdm` takes them, such as `total` and `unit`.

    Example:

    >>> with lines_shown(0), progress_bar(total=3, unit=" images") as bar:
    ...     _ = bar.update(3)
    """
    from tqdm import tqdm

    settings = {
        "delay": 1,  # what takes no time needs no bar
        "mininterval": 0.1 if sys.stderr.isatty() else 15,
        "dynamic_ncols": True,
    }
    return tqdm(items, disable=not bars_shown(), **(settings | options))


@contextlib.contextmanager
def quiet_loggers(*names: str) -> Iterator[None]:
    """Keep loggers of other libraries from warning of what no user can fix.

    Args:
        *names: of loggers; errors are still logged.

    Example:

    >>> with quiet_loggers("tensorflow"):
    ...     logging.getLogger("tensorflow").warning("retracing")
    """
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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
