"""Kills a run again and again, in places of its own choosing, and compares.

    python -m support.training.killed_run FOLDER KILLS

One run is left alone. The other is killed as often as told, at random moments
of which many lie in the writing of a checkpoint, and then left alone too.
Prints where it was killed; fails if the two do not end in the same bits.

Each of its processes is a fork of one that has imported TensorFlow and done nothing
with it, which is most of what such a process would do.
"""

import json
import multiprocessing
import os
import pathlib
import random
import sys
import time

import numpy as np

from support.training.small import small_recipe

OF_TIME = {"images_per_second", "seconds"}
STEPS = 150
RECIPE = small_recipe(
    steps=STEPS,
    evaluate_every=7,  # and an epoch has 5
    checkpoint_every=1,
    flip=True,
    randaugment_layers=2,
    mixup=0.3,
    ema=0.9,
    patch_dropout_rate=0.5,
)


SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["support.training.interrupted"])


def started(folder):
    """Begins, or goes on with, the run in a folder, in a process of its own."""
    child = SERVER.Process(target=run, args=(folder,))
    child.start()
    return child


def run(folder):
    """What such a process does."""
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    import tensorflow as tf

    from support.training.interrupted import train

    tf.config.experimental.enable_op_determinism()
    train(folder, recipe=RECIPE)


def ended(child):
    """Its status, once it has ended."""
    child.join()
    return child.exitcode


def steps(folder):
    """The steps of all checkpoints that are there."""
    found = (folder / "run" / "checkpoints").glob("step_*.npz")
    return sorted(int(path.stem[5:]) for path in found)


def last(folder):
    """The newest step, 0 before the first."""
    return max(steps(folder), default=0)


def kill_at_random(folder, rng):
    """One run, killed during its start, or some steps on; tells the step."""
    before, child = last(folder), started(folder)
    if rng.random() < 0.2:
        moment = time.monotonic() + rng.uniform(0, 4)
        while time.monotonic() < moment and last(folder) == before:
            time.sleep(0.001)
    else:
        goal = before + rng.randint(1, 6)
        while last(folder) < goal:
            assert child.is_alive(), (folder / "log.txt").read_text()[-3000:]
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
    child.kill()
    ended(child)
    return last(folder)


def outcome(folder):
    """The loss curve and every variable after the last step."""
    path = folder / "run" / "checkpoints" / f"step_{STEPS:09d}.npz"
    arrays = dict(np.load(path))
    journal = json.loads(arrays.pop("notes").tobytes())["journal"]
    history = [
        {name: value for name, value in row.items() if name not in OF_TIME}
        for row in journal["history"]
    ]
    return history, {name: value.tobytes() for name, value in arrays.items()}


def main(folder, kills):
    """Runs both and compares."""
    rng = random.Random(0)
    whole, broken = folder / "whole", folder / "broken"
    for one in (whole, broken):
        one.mkdir()
    places, torn = [], 0
    for _ in range(kills):
        places.append(kill_at_random(broken, rng))
        torn += any((broken / "run").rglob(".*"))
    for one in (whole, broken):
        assert ended(started(one)) == 0, (one / "log.txt").read_text()[-3000:]
    history, arrays = outcome(whole)
    history_of_broken, arrays_of_broken = outcome(broken)
    assert history == history_of_broken
    assert arrays.keys() == arrays_of_broken.keys()
    differing = [name for name in arrays if arrays[name] != arrays_of_broken[name]]
    assert not differing, differing
    assert not any((broken / "run").rglob(".*")), "scratch was left"
    print(json.dumps({"killed_after_steps": places, "while_writing": torn}))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
