"""How a run ends before its time, and goes on."""

import contextlib
import functools
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.cli.main import main
from keras_vit.data import pipeline
from keras_vit.training.artifacts import checkpoints
from keras_vit.training.artifacts.folder import RunFolder
from support.models import tiny_vit
from support.training.interrupted import (
    PLAIN,
    RECIPE,
    At,
    ask_to_end,
    outcome,
    train,
)
from support.training.small import linear, small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

SMALL = ("--set=batch_size=8", "--set=checkpoint_every=1")
PATIENCE = 300  # seconds, after which a test has failed rather than waits


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that nothing broke, and the folder that it lies in."""
    folder = tmp_path_factory.mktemp("unbroken")
    run = train(folder)
    assert [row["steps"] for row in run.history] == [7, 14, 20]
    return run, folder


@pytest.fixture(scope="module")
def unbroken(finished):
    run, _ = finished
    return outcome(run)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The folder of a run that SIGTERM ended in its tenth step."""
    folder = tmp_path_factory.mktemp("ended")
    with pytest.raises(SystemExit):
        train(folder, [At("on_train_batch_end", 10, ask_to_end)])
    return folder


@pytest.fixture(scope="module")
def ended_of_width_16(tmp_path_factory):
    """The same of a model that was passed, in its first step."""
    folder = tmp_path_factory.mktemp("wide")
    stop = At("on_train_batch_end", 1, ask_to_end)
    with pytest.raises(SystemExit):
        train(folder, [stop], PLAIN, model=passed(16))
    return folder


def passed(width):
    return tiny_vit(image_size=16, num_layers=1, hidden_dim=width, num_classes=2)


def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path, dirs_exist_ok=True)


def kept_in(folder):
    return checkpoints.Checkpoints(folder / "run" / "checkpoints")


def test_a_signal_writes_a_checkpoint_and_the_run_goes_on(tmp_path, unbroken):
    """Wherever it comes: one run that is ended seven times, in seven places."""
    terminated = SystemExit, signal.SIGTERM
    ctrl_c = KeyboardInterrupt, signal.SIGINT
    before = [signal.getsignal(number) for _, number in (terminated, ctrl_c)]
    for hook, call, (error, number), step in [
        ("on_train_begin", 1, terminated, 1),  # the step that follows is taken
        ("on_train_batch_end", 1, ctrl_c, 2),
        ("on_train_batch_begin", 4, terminated, 6),
        ("on_epoch_end", 1, terminated, 7),
        ("on_train_batch_end", 5, terminated, 12),
        ("on_test_batch_begin", 1, terminated, 14),
        ("on_test_batch_begin", 2, terminated, 20),  # and the last look is not taken
    ]:
        with pytest.raises(error) as end:
            train(tmp_path, [At(hook, call, lambda one=number: ask_to_end(one))])
        assert error is KeyboardInterrupt or end.value.code == 42
        assert kept_in(tmp_path).newest()[0] == step, hook
    assert outcome(train(tmp_path)) == unbroken
    assert not list((tmp_path / "run").glob(".*"))
    assert [signal.getsignal(n) for _, n in (terminated, ctrl_c)] == before


def test_signals_that_come_together_are_one(tmp_path):
    """As from `timeout`, which asks the process and then its whole group."""

    def ask_twice():
        ask_to_end()
        time.sleep(0.2)  # so that each is heard by itself
        ask_to_end()

    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 4, ask_twice)], PLAIN, model=linear())
    assert kept_in(tmp_path).newest()[0] == 4


def test_sigterm_during_a_save_lets_it_end(tmp_path, unbroken, monkeypatch):
    write, names = checkpoints._write, []

    def interrupted(archive, name, array):
        names.append(name)
        if len(names) == 10:
            ask_to_end()
        write(archive, name, array)

    monkeypatch.setattr(checkpoints, "_write", interrupted)
    with pytest.raises(SystemExit):
        train(tmp_path)
    kept = kept_in(tmp_path)
    assert kept.newest()[0] == 4  # the step that was under way, after that of step 3
    assert kept.steps() == [3, 4]
    assert outcome(train(tmp_path)) == unbroken


def flipped(data):
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 4]) + data[half + 1 :]


DAMAGE = {"flip": flipped, "cut": lambda data: data[:-100], "empty": lambda data: b""}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_told_and_passed_over(tmp_path, ended, damage):
    kept = kept_in(copied(ended, tmp_path))
    path = kept.path(10)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="step_000000010.npz is damaged"):
        assert kept.newest()[0] == 9


def test_a_run_goes_on_from_the_newest_that_is_whole(tmp_path, ended, unbroken):
    kept = kept_in(copied(ended, tmp_path))
    assert kept.steps() == [7, 9, 10]
    for step, damage in ((10, "flip"), (9, "cut")):
        path = kept.path(step)
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged") as told:
        assert outcome(train(tmp_path)) == unbroken
    told = "".join(str(one.message) for one in told)
    assert "step_000000010.npz is damaged" in told
    assert "step_000000009.npz is damaged" in told


def test_the_newest_and_the_best_are_kept(tmp_path):
    train(tmp_path, recipe=small_recipe(epochs=6))
    kept = kept_in(tmp_path)
    best = kept.newest()[1]["journal"]["best"]
    history = kept.newest()[1]["journal"]["history"]
    accuracies = [row["eval_accuracy"] for row in history]
    assert best["accuracy"] == max(accuracies)
    assert best["step"] == history[int(np.argmax(accuracies))]["steps"]
    assert kept.steps() == sorted({20, 25, 30, best["step"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": recipes.changed(RECIPE, {"epochs": 5})}, "epochs: 4 and 5"),
        ({"seed": 3}, "seed: 0 and 3"),
    ],
)
def test_a_run_of_another_recipe_is_refused_with_the_difference(
    tmp_path, ended, change, message
):
    copied(ended, tmp_path)
    before = sorted((tmp_path / "run").rglob("*"))
    with pytest.raises(ValueError, match=message):
        train(tmp_path, **change)
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_a_checkpoint_of_another_model_is_refused_with_the_difference(
    tmp_path, ended_of_width_16
):
    copied(ended_of_width_16, tmp_path)
    with pytest.raises(
        ValueError, match=r"class_token has shape \(1, 1, 16\), not \(1, 1, 8\)"
    ):
        train(tmp_path, recipe=PLAIN, model=passed(8))


def test_a_finished_run_is_told_again_and_not_run(tmp_path, finished, unbroken):
    first, folder = finished
    copied(folder, tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    again = train(tmp_path, [At("on_train_batch_begin", 1, pytest.fail)])
    assert outcome(again) == unbroken
    assert again.evaluation.top1 == first.evaluation.top1
    assert again.saved_model == first.saved_model
    changed = {path for path, time in files.items() if path.stat().st_mtime_ns != time}
    assert {path.name for path in changed} <= {"config.json"}


@contextlib.contextmanager
def no_file_larger_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_failed_checkpoint_is_told_and_tried_again(tmp_path, unbroken, capsys):
    """One that cannot be written, at step 9; those before and after are."""
    limit = contextlib.ExitStack()
    begin = At(
        "on_train_batch_begin",
        9,
        lambda: limit.enter_context(no_file_larger_than(1000)),
    )
    run = train(tmp_path, [begin, At("on_train_batch_begin", 10, limit.close)])
    assert outcome(run) == unbroken
    told = capsys.readouterr().out
    assert told.count("could not be written") == 1
    assert "The checkpoint of step 9 could not be written" in told


def test_the_third_failure_in_turn_ends_the_run(tmp_path, unbroken):
    limit = contextlib.ExitStack()
    begin = At(
        "on_train_batch_begin",
        5,
        lambda: limit.enter_context(no_file_larger_than(1000)),
    )
    with limit, pytest.raises(OSError, match="3 checkpoints in a row"):
        train(tmp_path, [begin])
    kept = kept_in(tmp_path)
    assert kept.steps() == [3]
    assert kept.newest()[0] == 3
    assert not list(kept.folder.glob(".*"))
    assert outcome(train(tmp_path)) == unbroken


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, unbroken):
    """On a file system that the checkpoints fill."""
    disk = tmp_path / "run"
    disk.mkdir()
    size = 150 * 1024  # a checkpoint has 50 KB
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting needs the rights of root")
    try:
        fill = At(
            "on_train_batch_begin",
            5,
            lambda: (disk / "fill").write_bytes(
                bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize)
            ),
        )
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path, [fill], PLAIN)
        assert kept_in(tmp_path).newest()[0] == 3
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_is_not_finite_ends_the_run_and_names_the_images(tmp_path):
    with pytest.raises(FloatingPointError, match="smaller base_lr") as end:
        train(tmp_path, recipe=small_recipe(base_lr=1e30, clip_norm=1e30))
    text = str(end.value)
    step = int(text.split()[1]) - 1
    examples = [int(one) for one in text.split(": ")[-1].split(",")]
    order = pipeline.examples_of_step(small_dataset().train, 10, 0, step)
    assert examples == list(order)
    assert "the rate" in text


def started(folder, *arguments, code=None):
    way = ["-c", code] if code else ["-m", "keras_vit_command", "train"]
    return subprocess.Popen(
        [sys.executable, *way, *arguments],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(pathlib.Path(keras_vit.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_stop_and_a_signal_in_one_step_are_both_heeded(tmp_path):
    """The stop is in the checkpoint that the signal leaves."""

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = np.bool_(batch == 2)
            if batch == 2:
                ask_to_end()

    model = linear()
    with pytest.raises(SystemExit):
        train(tmp_path, [Stop()], PLAIN, model=model)
    again = train(tmp_path, recipe=PLAIN, model=model)
    assert [row["steps"] for row in again.history] == [3]


def test_weights_that_a_callback_puts_back_are_those_that_are_kept(tmp_path):
    """With an average too, of which they take the place."""
    model = passed(16)
    zeros = [np.zeros(weight.shape) for weight in model.get_weights()]
    put = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: put.model.set_weights(zeros)
    )
    run = train(tmp_path, [put], model=model)
    assert run.evaluation.loss == pytest.approx(np.log(2), abs=1e-6)
    assert not any(weight.any() for weight in run.model.get_weights())
    again = train(tmp_path, model=model)
    assert again.evaluation.loss == run.evaluation.loss
    kept = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert not any(weight.any() for weight in kept.get_weights())


def test_a_signal_in_the_look_at_a_finished_run_ends_it_too(
    tmp_path, finished, monkeypatch
):
    copied(finished[1], tmp_path)
    add = keras_vit.evaluation.MetricSums.add

    def interrupted(*arguments):
        ask_to_end()
        add(*arguments)

    monkeypatch.setattr(keras_vit.evaluation.MetricSums, "add", interrupted)
    with pytest.raises(SystemExit) as end:
        train(tmp_path)
    assert end.value.code == 42


def test_a_second_process_is_kept_out_of_the_folder(tmp_path):
    second = []

    def begin():
        with pytest.raises(BlockingIOError, match="Another process trains in"):
            train(tmp_path, recipe=recipe, model=linear())
        second.append(True)

    recipe = recipes.changed(PLAIN, {"epochs": 1})
    train(tmp_path, [At("on_train_batch_begin", 3, begin)], recipe, model=linear())
    assert second


def test_a_model_is_plain_again_if_its_run_does_not_begin(tmp_path):
    model = passed(16)
    count = len(model.trainable_weights)
    changes = {"freeze": ("patches",), "remat": True, "lora_rank": 2}
    adapted = recipes.changed(PLAIN, changes)
    with RunFolder(tmp_path / "run").held(), pytest.raises(BlockingIOError) as error:
        train(tmp_path, recipe=adapted, model=model)
    assert error.tb is not None  # it holds the trainer: nothing has been collected
    assert len(model.trainable_weights) == len(model.weights) == count
    assert not any(one.remat for one in model.layers if hasattr(one, "remat"))


def test_a_refused_model_leaves_the_folder_as_it_was(tmp_path, ended_of_width_16):
    copied(ended_of_width_16, tmp_path)
    before = (tmp_path / "run" / "config.json").read_text()
    with pytest.raises(ValueError, match="of the same model and recipe"):
        train(tmp_path, recipe=PLAIN, model=passed(8))
    assert (tmp_path / "run" / "config.json").read_text() == before


def test_arguments_that_json_writes_otherwise_are_the_same_run(tmp_path):
    recipe = small_recipe(epochs=2)
    recipe.model.arguments["patch_size"] = (8, 8)
    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 1, ask_to_end)], recipe=recipe)
    assert [row["steps"] for row in train(tmp_path, recipe=recipe).history] == [5, 10]


def test_the_command_ends_with_a_status_of_its_own(tmp_path):
    run = started(tmp_path, *SMALL, "--folder=run")
    kept = kept_in(tmp_path)
    while not kept.steps():
        assert run.poll() is None, run.stdout.read()
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    told, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 42, told
    assert json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept.newest()


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command in this process, and callbacks for its run."""
    begin = keras_vit.training.train

    def called(*words, callbacks=()):
        train = functools.partial(begin, export=False)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                keras_vit.training,
                "train",
                lambda *arguments, **options: train(
                    *arguments, **options | {"callbacks": list(callbacks)}
                ),
            )
            return main(["train", *SMALL, "--folder=run", *words])

    monkeypatch.chdir(tmp_path)
    return called


def test_the_command_ends_with_130_after_ctrl_c(tmp_path, command):
    stop = At("on_train_batch_end", 2, lambda: ask_to_end(signal.SIGINT))
    assert command(callbacks=[stop]) == 130
    assert json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept_in(tmp_path).newest()[0] == 2


# The command, in whose third step two signals come, and which takes minutes.
HELD = """
import os, signal, sys, time
import keras, keras_vit.training
from keras_vit.cli.main import main

class Held(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.5)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(3600)

train = keras_vit.training.train

def held(*arguments, callbacks, **options):
    return train(*arguments, callbacks=[*callbacks, Held()], **options)

keras_vit.training.train = held
sys.exit(main(["train", *sys.argv[1:]]))
"""


def test_a_second_signal_ends_the_command_in_the_middle_of_a_step(tmp_path):
    run = started(tmp_path, *SMALL, "--folder=run", code=HELD)
    told, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 128 + signal.SIGTERM, told
    assert json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept_in(tmp_path).newest()[0] == 2


def test_the_command_ends_with_1_where_a_number_is_not_finite(
    tmp_path, command, capsys
):
    settings = ["--set=base_lr=1e30", "--set=clip_norm=1e30", "--set=steps=90"]
    assert command(*settings) == 1
    told = capsys.readouterr().err
    last = told.splitlines()[-1]
    assert last.startswith("keras-vit train: Step ")
    assert "was not taken" in last
    kept = kept_in(tmp_path)
    assert f"Step {kept.newest()[0] + 1} " in last
