"""`examples/multiworker.sh`: four workers on two hosts, and what goes wrong there.

The hosts are network namespaces, so that a cable can be pulled without a machine.
"""

import csv
import os
import pathlib
import re
import subprocess
import sys

import pytest

from keras_vit.training.artifacts.checkpoints import Checkpoints
from support.examples import EXAMPLES
from support.programs import environment

pytestmark = pytest.mark.slow  # four processes each
SKIPPED = 77
STATUS = re.compile(r"^worker (\d): status (\d+)$", re.MULTILINE)


def ran(folder, scenario, steps=40, checkpoint_every=2, **variables):
    """Run the script; return its workers' statuses and what was printed."""
    programs = str(pathlib.Path(sys.executable).parent)
    path = os.pathsep.join([programs, os.environ["PATH"]])
    run = subprocess.run(
        [
            *("bash", str(EXAMPLES / "multiworker.sh"), scenario),
            *("--set", f"steps={steps}", "--set", f"evaluate_every={steps // 2}"),
            *("--set", f"checkpoint_every={checkpoint_every}"),
            *("--set", "warmup_steps=2"),
        ],
        cwd=folder,
        env=environment(PATH=path, LIMIT="1800", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if run.returncode == SKIPPED:
        reason = run.stdout.strip().splitlines()[-1]
        assert reason.startswith("Skipped: ")
        assert not os.environ.get("CI") or "cannot be made" in reason
        pytest.skip(reason)
    statuses = [int(status) for _, status in STATUS.findall(run.stdout)]
    assert run.returncode == max(statuses), run.stdout[-3000:]
    assert not namespaces(), "the script leaves hosts behind"
    return statuses, run.stdout


def namespaces():
    listed = subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=True
    )
    return [one for one in listed.stdout.splitlines() if one.startswith("kv_host_")]


def steps(folder):
    return Checkpoints(folder / "runs" / "multiworker" / "checkpoints").steps()


def test_a_killed_worker_ends_all_hosts_and_they_resume(tmp_path):
    statuses, told = ran(tmp_path, "killed")
    assert statuses == [43, 43, 43, 137], told[-3000:]
    assert told.count("Another worker of this run is gone. Start all of") == 3
    last = steps(tmp_path)[-1]
    assert 0 < last < 40
    statuses, told = ran(tmp_path, "hosts")
    assert statuses == [0] * 4, told[-3000:]
    assert told.count(f"Resuming from step {last} of 40.") == 4
    assert steps(tmp_path)[-1] == 40
    history = tmp_path / "runs" / "multiworker" / "history.csv"
    assert [row["steps"] for row in csv.DictReader(history.open())] == ["20", "40"]


def test_a_slow_worker_slows_all_and_the_log_names_it(tmp_path):
    statuses, told = ran(tmp_path, "slow", steps=40)
    assert statuses == [0] * 4, told[-3000:]
    # A stopped process needs no other one to be slow beside it.
    paces = re.findall(r"images/s, at the pace of worker (\d): busy for ([\d.]+)", told)
    assert len(paces) == 2 * 4  # evaluations, workers: all say the same
    assert len({*paces}) == 2
    assert paces[-1][0] == "3"


def test_a_partition_ends_the_workers_of_both_hosts(tmp_path):
    statuses, told = ran(tmp_path, "partition", steps=4000)
    assert statuses == [43] * 4, told[-3000:]
    assert "the hosts are apart for 60 seconds" in told
    before = steps(tmp_path)[-1]
    assert 0 < before < 4000
