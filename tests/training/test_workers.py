"""Two workers of the command: one asked to end, one lost, both started again."""

import csv
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import keras_vit
from keras_vit.training.artifacts.checkpoints import Checkpoints
from support.training.workers import cluster, free_port

PACKAGE = pathlib.Path(keras_vit.__file__).parents[1]
SETTINGS = [
    "--set=steps=60",
    "--set=evaluate_every=30",
    "--set=checkpoint_every=2",
    "--set=warmup_steps=2",
]


def started(folder, count=2):
    addresses = [f"localhost:{free_port()}" for _ in range(count)]
    return [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "keras_vit_command", "train"),
                *("--strategy=multiworker", "--folder=run", *SETTINGS),
            ],
            cwd=folder,
            env=os.environ
            | {"PYTHONPATH": str(PACKAGE), "TF_CONFIG": cluster(index, addresses)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(count)
    ]


def until_step(folder, step, workers):
    kept = Checkpoints(folder / "run" / "checkpoints")
    while max(kept.steps(), default=0) < step:
        for worker in workers:
            assert worker.poll() is None, worker.stdout.read()[-3000:]
        time.sleep(0.1)


def ended(workers, timeout=600):
    """The status and the output of each."""
    outputs = [worker.communicate(timeout=timeout)[0] for worker in workers]
    return [worker.returncode for worker in workers], outputs


@pytest.mark.slow
def test_a_lost_worker_ends_the_others_and_a_restart_goes_on(tmp_path):
    workers = started(tmp_path)
    until_step(tmp_path, 4, workers)
    workers[1].kill()
    (status, _), (told, _) = ended(workers)
    assert status == 43, told[-3000:]
    assert "Another worker of this run is gone. Start all of them again" in told

    # Asked of the one that does not write: both hear it in the same step.
    workers = started(tmp_path)
    before = Checkpoints(tmp_path / "run" / "checkpoints").steps()[-1]
    until_step(tmp_path, before + 2, workers)
    workers[1].send_signal(signal.SIGTERM)
    statuses, outputs = ended(workers)
    assert statuses == [42, 42], outputs

    statuses, outputs = ended(started(tmp_path))
    assert statuses == [0, 0], outputs
    assert all("Resuming from step" in told for told in outputs)
    assert "Test accuracy" in outputs[0]
    assert "Test accuracy" not in outputs[1]
    with open(tmp_path / "run" / "history.csv") as file:
        assert [int(row["steps"]) for row in csv.DictReader(file)] == [30, 60]
