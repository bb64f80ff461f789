"""Which of the slow tests are tried in which turn."""

import collections
import zlib

import pytest

# What a run is held to by the bit: all of it in every turn.
EVERY_TURN = ("test_killed.py", "test_replicas.py", "test_endings.py", "test_step.py")


def numbered(items):
    """Return each test with its number among the cases of its function, from 0."""
    counted = collections.Counter()
    pairs = []
    for item in items:
        function = item.path, item.originalname
        pairs.append((item, counted[function]))
        counted[function] += 1
    return pairs


def in_turn(items, turn, turns):
    """Return the tests of a turn, from 1: of a function with enough cases, some.

    Functions begin at different turns, so that those with one case spread.
    """
    if not 1 <= turn <= turns:
        raise pytest.UsageError(
            f"--turn=K/N must have 1 <= K <= N. Received: --turn={turn}/{turns}"
        )
    return [
        item
        for item, number in numbered(items)
        if item.get_closest_marker("slow") is None
        or item.path.name in EVERY_TURN
        or (zlib.crc32(item.originalname.encode()) + number) % turns == turn - 1
    ]
