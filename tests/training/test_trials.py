"""Runs that are compared are each trained once."""

import json
import pathlib
import shutil
from unittest import mock

import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.experiments import Trial, run_trials, trials
from keras_vit.inspect import summary
from support.training.interrupted import EXPORT
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

RECIPE = small_recipe(epochs=2)
TRIALS = (
    Trial("first", RECIPE),
    Trial("second", RECIPE, seed=1),
    Trial("after_first", recipes.changed(RECIPE, {"image_size": 24}), 0, "first"),
)
DATA = small_dataset()


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Three trials, interrupted before the third and called again."""
    folder = tmp_path_factory.mktemp("trials")
    before = run_trials(TRIALS[:2], folder, dataset=DATA)
    with mock.patch.object(trials, "train", wraps=trials.train) as train:
        outcomes = run_trials(TRIALS, folder, dataset=DATA)
    return (
        folder,
        before,
        outcomes,
        [call.kwargs["folder"] for call in train.mock_calls],
    )


def test_what_is_finished_is_read_and_not_trained_again(compared):
    folder, before, outcomes, trained = compared
    assert trained == [folder / "after_first"]
    assert list(outcomes) == ["first", "second", "after_first"]
    assert outcomes["first"] == before["first"]
    assert outcomes["second"] == before["second"]


def test_an_outcome_says_what_the_run_left(compared):
    folder, _, outcomes, _ = compared
    outcome = outcomes["first"]
    told = json.loads((folder / "first" / "evaluation.json").read_text())
    assert (outcome.top1, outcome.loss) == (told["top1"], told["loss"])
    assert (outcome.count, outcome.steps, outcome.images) == (20, 10, 100)
    model = Classifier.of(outcome.folder).model
    assert outcome.parameters == model.count_params()
    assert outcome.multiply_adds == summary(model).multiply_adds
    assert outcome.seconds > 0


def test_a_trial_leaves_no_export(compared):
    folder, *_ = compared
    left = {path.name for path in (folder / "first").iterdir()}
    assert {"model.keras", "history.csv", "config.json", "evaluation.json"} <= left
    assert "images" not in left
    finished = json.loads((folder / "first" / "finished.json").read_text())
    assert (finished["saved_model"], finished["steps"]) == (None, 10)


def test_what_was_not_exported_is_when_it_is_asked_for(compared, monkeypatch):
    folder, *_ = compared
    given = {"dataset": DATA, "folder": folder / "second", "seed": 1}
    monkeypatch.chdir(folder)
    monkeypatch.setattr(EXPORT, lambda *given, **options: "savedmodels/second/1")
    run = keras_vit.train(RECIPE, **given)
    assert run.saved_model == pathlib.Path("savedmodels/second/1")
    assert (folder / "second" / "learning_curves.png").is_file()
    monkeypatch.setattr(EXPORT, None)  # once
    assert keras_vit.train(RECIPE, **given).saved_model == run.saved_model
    assert keras_vit.train(RECIPE, export=False, **given).saved_model


def test_seeds_give_other_models_and_a_beginning_is_taken(compared):
    folder, _, outcomes, _ = compared
    assert outcomes["first"].loss != outcomes["second"].loss
    config = json.loads((folder / "after_first" / "config.json").read_text())
    assert config["recipe"]["model"]["name"] == str(folder / "first")
    assert outcomes["after_first"].loss < outcomes["first"].loss


def test_each_trial_is_told_in_a_line(compared, capsys):
    folder, *_ = compared
    run_trials(TRIALS, folder, dataset=DATA)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "1/3 first",
        "2/3 second",
        "3/3 after_first",
    ]


def test_another_recipe_in_a_folder_is_refused_before_any_training(compared):
    folder, *_ = compared
    others = [
        Trial("new", RECIPE),
        Trial("first", recipes.changed(RECIPE, {"base_lr": 0.5})),
    ]
    with pytest.raises(ValueError, match=r"base_lr: 0\.01 and 0\.5"):
        run_trials(others, folder, dataset=DATA)
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((Trial("a", RECIPE), Trial("a", RECIPE)), "'a' after a"),
        ((Trial("a/b", RECIPE),), "unique name of a folder"),
        ((Trial("a", RECIPE, begins_from="b"), Trial("b", RECIPE)), "before it"),
    ],
)
def test_names_that_mean_nothing_are_refused(wrong, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_trials(wrong, tmp_path)
    assert not any(tmp_path.iterdir())


def test_trials_on_other_test_images_are_not_compared(compared, tmp_path):
    folder = tmp_path / "trials"
    shutil.copytree(compared[0], folder)
    run_trials(TRIALS[:2], folder, dataset=DATA)
    path = folder / "first" / "config.json"
    config = json.loads(path.read_text())
    config["dataset"]["eval_fingerprint"] = "of others"
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="second, whose test images of sides differ"):
        run_trials(TRIALS[:2], folder, dataset=DATA)
