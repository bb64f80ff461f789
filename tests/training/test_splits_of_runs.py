"""What a run is evaluated on, when it stops, and which weights it keeps."""

import dataclasses
import json
import logging
import shutil

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.data import Split
from keras_vit.training.artifacts.checkpoints import Checkpoints
from keras_vit.training.tasks.evaluators import ClassificationEvaluator
from support.training.interrupted import At, ask_to_end, outcome
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

RECIPE = small_recipe(patience=2, keep="best", ema=0.5, flip=True)


def misleading():
    """Validation images with the other class's label: training makes them worse."""
    whole = small_dataset()
    other = small_dataset(1).train
    return dataclasses.replace(whole, validation=Split(other.images, 1 - other.labels))


DATA = misleading()


def train(folder, callbacks=(), recipe=RECIPE, **options):
    return keras_vit.train(
        recipe,
        dataset=options.pop("dataset", DATA),
        folder=folder / "run",
        callbacks=list(callbacks),
        export=False,
        **options,
    )


class Captured(keras.callbacks.Callback):
    """Keeps the weights of each evaluation on the way: the averages, while it runs."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_test_begin(self, logs=None):
        self.weights.append(None)

    def on_test_batch_begin(self, batch, logs=None):
        self.weights[-1] = self.model.get_weights()


@pytest.fixture
def evaluated(monkeypatch):
    """The number of images of every evaluation."""
    counts, batches = [], ClassificationEvaluator.batches

    def counted(self, split, *sizes):
        counts.append(len(split))
        return batches(self, split, *sizes)

    monkeypatch.setattr(ClassificationEvaluator, "batches", counted)
    return counts


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run that stops early, what was evaluated, its weights then, and its lines."""
    folder, captured, lines = tmp_path_factory.mktemp("kept"), Captured(), []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger("keras_vit").addHandler(handler)
    with pytest.MonkeyPatch.context() as patch:
        counts = evaluated.__wrapped__(patch)
        run = train(folder, [captured])
    logging.getLogger("keras_vit").removeHandler(handler)
    return run, counts, captured.weights, lines


def best_of(history):
    """The place of the best row, as a reader of the file would find it."""
    return max(
        range(len(history)),
        key=lambda n: (history[n]["eval_accuracy"], -history[n]["eval_loss"], -n),
    )


def test_validation_is_evaluated_on_the_way_and_test_exactly_once(kept):
    run, counts, _, lines = kept
    assert {row["eval_split"] for row in run.history} == {"validation"}
    assert counts == [50] * len(run.history) + [20]
    assert (run.evaluation.count, run.eval_split) == (20, "test")
    tested = keras_vit.evaluate(run.model, DATA.test)
    assert run.evaluation.loss == pytest.approx(tested.loss, rel=1e-5)
    told = json.loads((run.folder / "evaluation.json").read_text())
    assert told["count"] == 20
    [line] = [line for line in lines if "is evaluated on the way" in line]
    assert line.startswith("The validation split (50 images)")


def test_a_run_stops_after_two_evaluations_without_a_better_one(kept):
    run, _, _, lines = kept
    best = best_of(run.history)
    assert len(run.history) == best + 3 < 12
    done, step = run.history[-1]["steps"], run.history[best]["steps"]
    assert (
        f"Stopping after step {done} of 60: the best evaluation is that of step {step},"
        " and 2 were not better (patience=2)."
    ) in lines


def test_the_weights_of_the_best_evaluation_are_kept_everywhere(kept):
    run, _, weights, lines = kept
    best = best_of(run.history)
    assert len(weights) == len(run.history) > best + 1
    saved = keras.models.load_model(run.folder / "model.keras")
    for expected, ours, stored in zip(
        weights[best], run.model.get_weights(), saved.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
        np.testing.assert_array_equal(stored, expected)
    row = run.history[best]
    assert (
        f"Keeping the weights of step {row['steps']}, of the best evaluation: "
        f"validation accuracy {row['eval_accuracy']:.3f}."
    ) in lines
    assert Checkpoints(run.folder / "checkpoints").newest()[0] > row["steps"]


def test_one_that_was_killed_while_it_finished_writes_the_same_files(kept):
    run, *_ = kept
    names = ("evaluation.json", "history.csv")
    before = {name: (run.folder / name).read_text() for name in names}
    checkpoints = sorted((run.folder / "checkpoints").iterdir())
    times = [path.stat().st_mtime_ns for path in checkpoints]
    for name in ("finished.json", "evaluation.json", "model.keras"):
        (run.folder / name).unlink()
    again = train(run.folder.parent)
    assert outcome(again) == outcome(run)
    assert {name: (run.folder / name).read_text() for name in names} == before
    finished = json.loads((run.folder / "finished.json").read_text())
    assert finished["steps"] == run.history[-1]["steps"]  # not the best one's
    saved = keras.models.load_model(run.folder / "model.keras")
    for one, other in zip(saved.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted((run.folder / "checkpoints").iterdir()) == checkpoints
    assert [path.stat().st_mtime_ns for path in checkpoints] == times


def test_a_run_that_resumes_stops_and_keeps_as_the_unbroken_one(
    tmp_path, kept, monkeypatch
):
    """Interrupted in its last interval, and again in the evaluation at its end."""
    last = kept[0].history[-1]["steps"]
    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", last - 2, ask_to_end)])
    batches = ClassificationEvaluator.batches

    def interrupted(self, split, *sizes):
        if split is DATA.test:
            ask_to_end()
        return batches(self, split, *sizes)

    monkeypatch.setattr(ClassificationEvaluator, "batches", interrupted)
    with pytest.raises(SystemExit) as end:
        train(tmp_path)
    assert end.value.code == 42
    monkeypatch.undo()
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints")
    assert checkpoints.newest()[0] == last  # none of the best weights as the newest
    assert outcome(train(tmp_path)) == outcome(kept[0])
    with pytest.raises(ValueError, match=r"finished.*patience: 2 and 3"):
        train(tmp_path, recipe=recipes.changed(RECIPE, {"patience": 3}))
    with pytest.raises(ValueError, match="eval_split: None and 'test'"):
        train(tmp_path, recipe=recipes.changed(RECIPE, {"eval_split": "test"}))


def test_without_the_best_checkpoint_the_last_weights_are_kept(tmp_path, kept, capsys):
    run, _, weights, _ = kept
    shutil.copytree(run.folder, tmp_path / "run")
    best = run.history[best_of(run.history)]["steps"]
    Checkpoints(tmp_path / "run" / "checkpoints").path(best).write_bytes(b"damaged")
    again = train(tmp_path)
    assert "The weights of the last step are kept" in capsys.readouterr().out
    for one, other in zip(again.model.get_weights(), weights[-1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_fraction_of_training_is_what_is_evaluated_on_the_way(tmp_path, evaluated):
    recipe = small_recipe(epochs=1, warmup_steps=0, validation=0.2)
    run = train(tmp_path, recipe=recipe, dataset=small_dataset())
    taken = evaluated[0]
    assert evaluated == [taken, 20] and 5 <= taken <= 15
    assert [row["steps"] for row in run.history] == [(50 - taken) // 10]
    assert run.history[0]["eval_split"] == "validation"
    config = json.loads((run.folder / "config.json").read_text())
    assert config["fitted_from"] == {}  # a Recipe is used as it is
    noted = config["dataset"]
    assert (noted["training_images"], noted["eval_images"]) == (50 - taken, taken)
    assert (noted["eval_split"], noted["final_split"]) == ("validation", "test")
    assert noted["final_fingerprint"] == small_dataset().test.fingerprint()
    assert noted["fingerprint"] != small_dataset().train.fingerprint()
    with pytest.raises(ValueError, match=r"validation: 0.2 and 0.3"):
        train(tmp_path, recipe=small_recipe(epochs=1, warmup_steps=0, validation=0.3))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"patience": 0}, "patience must be at least 1. Received: patience=0"),
        ({"keep": "first"}, "keep must be one of last, best. Received: keep='first'"),
        ({"validation": 1}, r"validation must lie in \(0, 1\). Received: validation=1"),
    ],
)
def test_what_a_setting_cannot_be_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        small_recipe(**setting)


def test_zero_turns_validation_off():
    assert small_recipe(validation=0) == small_recipe()
