"""Signals that ask a run to stop, checked between steps."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
TOGETHER = 1.0  # seconds: `timeout` asks a process, and its group, which it is in
PREEMPTED = 42  # the exit status after SIGTERM: start the same command again


class StopSignalError(Exception):
    """A signal asks the run to stop; raised between steps and in evaluations."""


class Interruption:
    """Whether a stop signal has come, and what follows from it."""

    def __init__(self) -> None:
        self.signal, self._at_once = None, False

    def __bool__(self) -> bool:
        return self.signal is not None

    def note(self, number: int) -> None:
        """Note a signal; the first one counts."""
        self.signal = self.signal or number
        if self._at_once:
            self.end()

    def raise_if_stopping(self) -> None:
        """Raise `StopSignalError` if a signal has come."""
        if self:
            raise StopSignalError

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """End the program at once when a signal comes: nothing is to be kept yet."""
        if self:
            self.end()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def end(self) -> NoReturn:
        """End the program as the signal asks.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            SystemExit: with the status 42 after SIGTERM.
        """
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(PREEMPTED)


@contextlib.contextmanager
def catch_stop_signals() -> Iterator[Interruption]:
    """Yield an `Interruption` that notes SIGTERM and Ctrl-C meanwhile.

    The first is noted; a second ends the process at once, unless both come
    together. Outside the main thread Python delivers no signals, and none is
    noted.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def note(number, frame):
        interruption.note(number)

    before = {one: signal.signal(one, note) for one in STOP_SIGNALS}
    with _second_ends_at_once():
        try:
            yield interruption
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _second_ends_at_once() -> Iterator[None]:
    """End the process at a second signal, whatever the main thread is doing.

    Python calls its handlers in the main thread, which may be in the middle of
    a long step; the numbers of signals it writes to a file at once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_count, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # which ends the thread


def _count(reader: int) -> None:
    first = None
    while number := os.read(reader, 1):
        if number[0] not in STOP_SIGNALS:
            continue
        first = first or time.monotonic()
        if time.monotonic() - first > TOGETHER:
            os._exit(128 + number[0])
    os.close(reader)
