"""How a run ends before its time, and goes on."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.data import pipeline
from keras_vit.training.artifacts import checkpoints
from support.training.interrupted import (
    At,
    ask_to_end,
    outcome,
    train,
)
from support.training.small import small_dataset, small_recipe

PATIENCE = 300  # seconds, after which a test has failed rather than waits


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run = train(tmp_path_factory.mktemp("unbroken"))
    assert [row["steps"] for row in run.history] == [7, 14, 20]
    return outcome(run)


@pytest.mark.parametrize(
    ("hook", "number"),
    [
        ("on_train_batch_begin", 5),
        ("on_train_batch_end", 12),
        ("on_test_batch_begin", 2),
        ("on_test_batch_begin", 3),  # all steps taken, the last look not
        ("on_epoch_end", 1),
        ("on_train_begin", 1),
    ],
)
def test_sigterm_writes_a_checkpoint_and_the_run_goes_on(
    tmp_path, unbroken, hook, number
):
    with pytest.raises(SystemExit) as end:
        train(tmp_path, [At(hook, number, ask_to_end)])
    assert end.value.code == 42
    assert checkpoints.Checkpoints(tmp_path / "run" / "checkpoints").newest()
    assert outcome(train(tmp_path)) == unbroken
    assert not list((tmp_path / "run").glob(".*"))


def test_signals_that_come_together_are_one(tmp_path):
    """As from `timeout`, which asks the process and then its whole group."""

    def ask_twice():
        ask_to_end()
        time.sleep(0.2)  # so that each is heard by itself
        ask_to_end()

    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 4, ask_twice)])
    assert checkpoints.Checkpoints(tmp_path / "run" / "checkpoints").newest()[0] == 4


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
    kept = checkpoints.Checkpoints(tmp_path / "run" / "checkpoints")
    assert kept.newest()[0] == 4  # the step that was under way, after that of step 3
    assert kept.steps() == [3, 4]
    assert outcome(train(tmp_path)) == unbroken


def test_ctrl_c_does_the_same_and_raises_keyboard_interrupt(tmp_path, unbroken):
    before = signal.getsignal(signal.SIGINT)
    stop = At("on_train_batch_end", 4, lambda: ask_to_end(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, [stop])
    assert outcome(train(tmp_path)) == unbroken
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_checkpoint_is_told_and_passed_over(tmp_path, unbroken, damage):
    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 10, ask_to_end)])
    kept = checkpoints.Checkpoints(tmp_path / "run" / "checkpoints")
    assert kept.steps() == [7, 9, 10]
    path = kept.path(10)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 4
    path.write_bytes({"flip": data, "cut": data[:-100], "empty": b""}[damage])
    with pytest.warns(UserWarning, match="step_000000010.npz is damaged"):
        assert outcome(train(tmp_path)) == unbroken


def test_the_newest_and_the_best_are_kept(tmp_path):
    train(tmp_path, recipe=small_recipe(epochs=6))
    kept = checkpoints.Checkpoints(tmp_path / "run" / "checkpoints")
    best = kept.newest()[1]["journal"]["best"]
    history = kept.newest()[1]["journal"]["history"]
    accuracies = [row["eval_accuracy"] for row in history]
    assert best["accuracy"] == max(accuracies)
    assert best["step"] == history[int(np.argmax(accuracies))]["steps"]
    assert kept.steps() == sorted({20, 25, 30, best["step"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": small_recipe(epochs=5)}, "epochs: 4 and 5"),
        ({"seed": 3}, "seed: 0 and 3"),
    ],
)
def test_a_run_of_another_recipe_is_refused_with_the_difference(
    tmp_path, change, message
):
    arguments = {"recipe": small_recipe(epochs=4)} | change
    with pytest.raises(SystemExit):
        train(
            tmp_path,
            [At("on_train_batch_end", 1, ask_to_end)],
            recipe=small_recipe(epochs=4),
        )
    before = sorted((tmp_path / "run").rglob("*"))
    with pytest.raises(ValueError, match=message):
        train(tmp_path, **arguments)
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_a_checkpoint_of_another_model_is_refused_with_the_difference(tmp_path):
    def model(width):
        return keras_vit.model.ViT(
            image_size=16,
            patch_size=8,
            num_layers=1,
            num_heads=2,
            hidden_dim=width,
            mlp_dim=32,
            num_classes=2,
        )

    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 1, ask_to_end)], model=model(16))
    with pytest.raises(
        ValueError, match=r"class_token has shape \(1, 1, 16\), not \(1, 1, 8\)"
    ):
        train(tmp_path, model=model(8))


def test_a_finished_run_is_told_again_and_not_run(tmp_path, unbroken):
    first = train(tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    again = train(tmp_path, [At("on_train_batch_begin", 1, pytest.fail)])
    assert outcome(again) == outcome(first) == unbroken
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
    kept = checkpoints.Checkpoints(tmp_path / "run" / "checkpoints")
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
            train(tmp_path, [fill])
        assert checkpoints.Checkpoints(disk / "checkpoints").newest()[0] == 3
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

    with pytest.raises(SystemExit):
        train(tmp_path, [Stop()])
    assert [row["steps"] for row in train(tmp_path).history] == [3]


def test_weights_that_a_callback_puts_back_are_those_that_are_kept(tmp_path):
    """With an average too, of which they take the place."""
    model = keras_vit.model.ViT(
        image_size=16,
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=2,
    )
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


def test_a_signal_in_the_look_at_a_finished_run_ends_it_too(tmp_path, monkeypatch):
    train(tmp_path)
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
            train(tmp_path)
        second.append(True)

    train(tmp_path, [At("on_train_batch_begin", 3, begin)])
    assert second


def test_a_refused_model_leaves_the_folder_as_it_was(tmp_path):
    def model(width):
        return keras_vit.model.ViT(
            image_size=16,
            patch_size=8,
            num_layers=1,
            num_heads=2,
            hidden_dim=width,
            mlp_dim=32,
            num_classes=2,
        )

    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 1, ask_to_end)], model=model(16))
    before = (tmp_path / "run" / "config.json").read_text()
    with pytest.raises(ValueError, match="of the same model and recipe"):
        train(tmp_path, model=model(8))
    assert (tmp_path / "run" / "config.json").read_text() == before


def test_arguments_that_json_writes_otherwise_are_the_same_run(tmp_path):
    recipe = small_recipe(epochs=2)
    recipe.model.arguments["patch_size"] = (8, 8)
    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 1, ask_to_end)], recipe=recipe)
    assert [row["steps"] for row in train(tmp_path, recipe=recipe).history] == [5, 10]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 42), (signal.SIGINT, 130)]
)
def test_the_command_ends_with_a_status_of_its_own(tmp_path, number, status):
    run = started(tmp_path, "--set=checkpoint_every=1", "--folder=run")
    kept = checkpoints.Checkpoints(tmp_path / "run" / "checkpoints")
    while not kept.steps():
        assert run.poll() is None, run.stdout.read()
        time.sleep(0.05)
    run.send_signal(number)
    told, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == status, told
    assert json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept.newest()


# The command, in whose third step two signals come, and which takes minutes.
HELD = """
import functools, os, signal, sys, time
import keras, keras_vit.training
from keras_vit.cli.main import main

class Held(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1.5)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(3600)

train = functools.partial(keras_vit.training.train, callbacks=[Held()])
keras_vit.training.train = train
sys.exit(main(["train", *sys.argv[1:]]))
"""


def test_a_second_signal_ends_the_command_in_the_middle_of_a_step(tmp_path):
    run = started(tmp_path, "--set=checkpoint_every=1", "--folder=run", code=HELD)
    told, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 128 + signal.SIGTERM, told
    assert json.loads((tmp_path / "run" / "config.json").read_text())
    assert checkpoints.Checkpoints(tmp_path / "run" / "checkpoints").newest()[0] == 2


def test_the_command_ends_with_1_where_a_number_is_not_finite(tmp_path):
    settings = ["--set=base_lr=1e30", "--set=clip_norm=1e30", "--set=steps=90"]
    run = started(tmp_path, *settings, "--set=checkpoint_every=1", "--folder=run")
    told, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 1, told
    last = told.splitlines()[-1]
    assert last.startswith("keras-vit train: Step ")
    assert "was not taken" in last
    kept = checkpoints.Checkpoints(tmp_path / "run" / "checkpoints")
    assert f"Step {kept.newest()[0] + 1} " in last
