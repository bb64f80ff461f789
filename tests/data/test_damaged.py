import json
import subprocess

import pytest

from support.programs import environment, program


@pytest.mark.slow
@pytest.mark.parametrize("count", [60, 10_000], ids=str)
def test_damaged_files_are_refused_by_name_or_read_right(count, tmp_path):
    """In a process of its own: a crash, a hang and its memory show there."""
    run = subprocess.run(
        program("damaged", tmp_path, count),
        env=environment(),
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
