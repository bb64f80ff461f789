"""Signals that ask a run to end, heard between steps."""

import contextlib
import os
import signal
import threading
import time
from typing import NoReturn

HEARD = (signal.SIGINT, signal.SIGTERM)
TOGETHER = 1.0  # seconds: `timeout` asks a process, and its group, which it is in
PREEMPTED = 42  # the exit status after SIGTERM: start the same command again


class Interruption:
    """Whether a signal has come, and what follows from it."""

    def __init__(self):
        self.signal, self._at_once = None, False

    def __bool__(self):
        return self.signal is not None

    def note(self, number):
        """Takes a signal: the first is heeded."""
        self.signal = self.signal or number
        if self._at_once:
            self.end()

    @contextlib.contextmanager
    def at_once(self):
        """Ends the program when a signal comes meanwhile: nothing is to be kept."""
        if self:
            self.end()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def end(self) -> NoReturn:
        """Ends the program as the signal asks.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
            SystemExit: with the status 42 after SIGTERM.
        """
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(PREEMPTED)


@contextlib.contextmanager
def heard():
    """Yields an `Interruption` that hears SIGTERM and Ctrl-C meanwhile.

    The first is noted, a second ends the process at once, unless it comes
    together with the first. Outside of the main thread Python hears no
    signals, and nothing is noted.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def note(number, frame):
        interruption.note(number)

    before = {one: signal.signal(one, note) for one in HEARD}
    with _second_ends_at_once():
        try:
            yield interruption
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def _second_ends_at_once():
    """Ends the process at a second signal, whatever the main thread is doing.

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


def _count(reader):
    first = None
    while number := os.read(reader, 1):
        if number[0] not in HEARD:
            continue
        first = first or time.monotonic()
        if time.monotonic() - first > TOGETHER:
            os._exit(128 + number[0])
    os.close(reader)
