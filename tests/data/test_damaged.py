import json
import os
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("damaged.py")


@pytest.mark.parametrize(
    "count", [500, pytest.param(10_000, marks=pytest.mark.slow)], ids=str
)
def test_damaged_files_are_refused_by_name_or_read_right(count, tmp_path):
    """In a process of its own: a crash, a hang and its memory show there."""
    root = SCRIPT.parents[2]
    run = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, str(count)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=600 + count / 10,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    seen = json.loads(run.stdout)
    tally = seen["tally"]
    # By the graph and outside it, which have to agree.
    answers = {"refused and refused", "right and right", "decoded and decoded"}
    assert set(tally) == answers, (tally, run.stderr[-2000:])
    assert sum(tally.values()) >= count
    assert min(tally.values()) > count / 10
    assert seen["megabytes"] < 1000
