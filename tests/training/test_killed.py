import json
import subprocess

import pytest

from support.programs import environment, program


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_in_the_bits_of_one_that_was_not(tmp_path):
    """SIGKILL at random moments, within an epoch, and within a save."""
    run = subprocess.run(
        program("training.killed_run", tmp_path, 20),
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout)
    assert len(told["killed_after_steps"]) == 20
    assert any(step % 5 for step in told["killed_after_steps"])  # an epoch has 5
    assert told["while_writing"] > 0
