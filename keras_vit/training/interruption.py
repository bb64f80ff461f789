"""Signals that ask a run to end, heard between steps."""

import contextlib
import os
import signal
import threading

PREEMPTED = 42  # the exit status after SIGTERM: start the same command again


class Interruption:
    """Whether a signal has come, and what follows from it."""

    def __init__(self):
        self.signal = None

    def __bool__(self):
        return self.signal is not None

    def end(self):
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

    The first is noted, a second ends the process at once. Outside of the main
    thread Python hears no signals, and nothing is noted.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def note(number, frame):
        interruption.signal = number
        signal.signal(signal.SIGINT, _end_at_once)
        signal.signal(signal.SIGTERM, _end_at_once)

    before = {one: signal.signal(one, note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(number, frame):
    os._exit(128 + number)
