"""The libraries that show runs, in their offline and local modes."""

import importlib.util

import keras
import pytest

import keras_vit
from keras_vit.choices import LOGGERS as WORDS
from keras_vit.training import loggers
from keras_vit.training.loggers import LOGGERS, open_loggers
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs


def trained(callbacks, folder):
    return keras_vit.train(
        small_recipe(epochs=2),
        dataset=small_dataset(),
        callbacks=callbacks,
        folder=folder / "run",
        export=False,
        verbose=0,
    )


def test_the_flags_are_the_loggers():
    assert (*LOGGERS,) == WORDS


def test_tensorboard_gets_curves_and_the_learning_rate(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    board = tmp_path / "board"
    with open_loggers(tensorboard=str(board), wandb=None, mlflow=None) as callbacks:
        run = trained(callbacks, tmp_path)
    events = EventAccumulator(str(board / "train"))
    events.Reload()
    for tag, column in (("loss", "loss"), ("learning_rate", "learning_rate")):
        told = [
            float(tensor_util.make_ndarray(event.tensor_proto))
            for event in events.Tensors(f"epoch_{tag}")
        ]
        assert told == pytest.approx([row[column] for row in run.history], rel=1e-5)


def test_wandb_gets_curves_and_the_learning_rate(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    logged, projects = [], []

    class Seen(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            projects.append(wandb.run.project)
            monkeypatch.setattr(wandb, "log", logged.append)  # which opening sets

    with open_loggers(wandb="tried") as callbacks:
        assert wandb.run is None  # before everything has been checked
        run = trained([*callbacks, Seen()], tmp_path)
    assert projects == ["tried"]
    assert wandb.run is None
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    for name, column in (("loss", "loss"), ("learning_rate", "learning_rate")):
        told = [row[f"epoch/{name}"] for row in logged]
        assert told == pytest.approx([row[column] for row in run.history], rel=1e-5)


def test_mlflow_gets_curves_and_the_optimizer(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    try:
        with open_loggers(mlflow="tried") as callbacks:
            run = trained(callbacks, tmp_path)
        assert mlflow.active_run() is None
        mlflow.flush_async_logging()
        [kept] = mlflow.search_runs(experiment_names=["tried"], output_format="list")
        assert kept.info.status == "FINISHED"
        assert kept.data.params["optimizer_name"] == "adam"
        last = run.history[-1]
        assert kept.data.metrics["loss"] == pytest.approx(last["loss"])
        assert kept.data.metrics["val_loss"] == pytest.approx(last["eval_loss"])
        assert kept.data.metrics["learning_rate"] == pytest.approx(
            last["learning_rate"]
        )
    finally:
        mlflow.set_tracking_uri(before)


class Heard(keras.callbacks.Callback):
    """Notes its hooks as they are called, from the first."""

    hooks = (
        *("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end"),
        *("on_train_batch_begin", "on_train_batch_end", "on_test_begin"),
        *("on_test_end", "on_test_batch_begin", "on_test_batch_end"),
    )

    def __init__(self):
        super().__init__()
        self.heard = set()
        for hook in self.hooks:
            setattr(self, hook, lambda *_, hook=hook, **__: self.heard.add(hook))


@pytest.mark.parametrize("chief", [True, False])
def test_the_chief_alone_opens_loggers_and_none_of_a_run_that_is_refused(
    chief, tmp_path, monkeypatch
):
    pytest.importorskip("tensorboard")
    opened = []

    def opening(target, _):
        opened.append(Heard())
        return opened[-1]

    monkeypatch.setitem(LOGGERS, "tensorboard", opening)
    with open_loggers(tensorboard="board") as callbacks:
        with pytest.raises(ValueError, match="batch_size must lie"):
            keras_vit.train(
                small_recipe(batch_size=1000),
                dataset=small_dataset(),
                callbacks=callbacks,
                folder=tmp_path / "refused",
            )
        assert not opened
        if chief:
            trained(callbacks, tmp_path)
        else:
            monkeypatch.setattr(loggers.distribution, "is_chief", lambda _: False)
            callbacks[0].on_train_begin()
            callbacks[0].on_epoch_end(0, {})
    assert [one.heard for one in opened] == ([{*Heard.hooks}] if chief else [])


@pytest.mark.parametrize("name", WORDS)
def test_a_library_that_is_absent_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = rf"--{name} needs.*pip install .*\[{name}\]"
    with pytest.raises(ImportError, match=words), open_loggers(**{name: "here"}):
        pytest.fail("It was opened")
