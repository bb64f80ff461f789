"""The libraries that show runs, in their offline and local modes."""

import importlib.util

import pytest

import keras_vit
from keras_vit.choices import LOGGERS as WORDS
from keras_vit.training.loggers import LOGGERS, open_loggers
from support.training.small import small_dataset, small_recipe


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
    logged = []
    with open_loggers(wandb="tried") as callbacks:
        assert wandb.run.project == "tried"
        monkeypatch.setattr(wandb, "log", logged.append)
        run = trained(callbacks, tmp_path)
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


@pytest.mark.parametrize("name", WORDS)
def test_a_library_that_is_absent_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words = rf"--{name} needs.*transformer\[{name}\]"
    with pytest.raises(ImportError, match=words), open_loggers(**{name: "here"}):
        pytest.fail("It was opened")
