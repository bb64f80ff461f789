"""Runs that an earlier version of the package has begun or finished."""

import csv
import dataclasses
import itertools
import json
import shutil
import zipfile

import numpy as np
import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.history import HistoryRow, read_history
from keras_vit.recipes import RENAMED
from keras_vit.training.artifacts.checkpoints import NOTES, Checkpoints
from support.training.interrupted import At, ask_to_end, outcome, train
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

COLUMNS = {"test_loss": "eval_loss", "test_accuracy": "eval_accuracy"}
# What the earlier version wrote of tasks that a run did not have, and for "off".
OFF = {
    "eval_split": "test",
    "distillation": "none",
    "pseudo_labels": "none",
    "masked_patches": "none",
    "unlabelled_split": "",
    "temperature": 1.0,
    "distillation_alpha": 0.5,
    "min_confidence": 0.3,
    "pseudo_per_class": 0,
    "mixup": 0.0,
    "steps": 0,
    "ema": 0.0,
    "patch_size": 0,
    "lora_rank": 0,
}


def make_earlier(folder):
    """Give the files of a run the names that the earlier version wrote."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    flat = recipes.as_flat(recipes.from_json(config["recipe"]))
    flat = OFF | {name: one for name, one in flat.items() if one is not None}
    del flat["task"]
    for old, new in RENAMED.items():
        flat[old] = flat.pop(new)
    config["recipe"] = flat
    path.write_text(json.dumps(config))
    checkpoints = Checkpoints(folder / "checkpoints")
    for step in checkpoints.steps():
        _rewrite_notes(checkpoints.path(step))
    rows = [_earlier(row) for row in _rows(folder / "history.csv")]
    with open(folder / "history.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _earlier(row):
    old_names = {new: old for old, new in COLUMNS.items()}
    return {
        old_names.get(name, name): row[name] for name in row if name != "eval_split"
    }


def _rewrite_notes(path):
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    notes = json.loads(arrays[NOTES].tobytes())
    notes["journal"]["history"] = [_earlier(row) for row in notes["journal"]["history"]]
    arrays[NOTES] = np.frombuffer(json.dumps(notes).encode(), np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, array)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return outcome(train(tmp_path_factory.mktemp("unbroken")))


def test_a_run_that_an_earlier_version_began_is_resumed_with_one_history(
    tmp_path, unbroken, recwarn
):
    with pytest.raises(SystemExit):
        train(tmp_path, [At("on_train_batch_end", 12, ask_to_end)])
    folder = tmp_path / "run"
    make_earlier(folder)
    [row] = _rows(folder / "history.csv")
    assert {*COLUMNS} < {*row}
    assert not {*COLUMNS.values(), "eval_split"} & {*row}
    assert outcome(train(tmp_path)) == unbroken
    rows = _rows(folder / "history.csv")
    assert [row["steps"] for row in rows] == ["7", "14", "20"]
    assert all(row["eval_split"] == "test" and row["eval_loss"] for row in rows)
    assert not {*COLUMNS} & {*rows[0]}
    stored = json.loads((folder / "config.json").read_text())["recipe"]
    assert stored["run"]["accumulation_steps"] == 1
    assert not RENAMED.keys() & {*itertools.chain(*stored.values())}
    assert not [one for one in recwarn if "next version" in str(one.message)]


def beside_validation():
    whole = small_dataset()
    return dataclasses.replace(whole, validation=small_dataset(1).test)


def test_a_run_that_an_earlier_version_began_is_evaluated_on_the_same_split(tmp_path):
    """It evaluated the test split on the way, also beside a validation split."""
    arguments = {
        "recipe": small_recipe(epochs=2),
        "dataset": beside_validation(),
        "folder": tmp_path / "run",
        "export": False,
    }
    with pytest.raises(SystemExit):
        keras_vit.train(
            **arguments | {"recipe": small_recipe(epochs=2, eval_split="test")},
            callbacks=[At("on_train_batch_end", 7, ask_to_end)],
        )
    make_earlier(tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["dataset"]["eval_split"], config["fitted_from"]
    path.write_text(json.dumps(config))
    with pytest.raises(SystemExit):
        stop = At("on_train_batch_end", 1, ask_to_end)
        keras_vit.train(**arguments, callbacks=[stop])
    run = keras_vit.train(**arguments)  # on what this version has written meanwhile
    assert [row["steps"] for row in run.history] == [5, 10]
    assert {row["eval_split"] for row in run.history} == {run.eval_split} == {"test"}
    other = small_recipe(epochs=2, eval_split="validation")
    with pytest.raises(ValueError, match="eval_split: None and 'validation'"):
        keras_vit.train(**arguments | {"recipe": other})


def test_a_run_that_an_earlier_version_finished_is_read(tmp_path):
    recipe = small_recipe(epochs=2)
    run = train(tmp_path, recipe=recipe)
    shutil.copy(run.folder / "history.csv", tmp_path / "present.csv")
    make_earlier(run.folder)
    assert read_history(run.folder / "history.csv") == [
        {name: row[name] for name in row if name != "eval_split"}
        for row in read_history(tmp_path / "present.csv")
    ]
    again = train(tmp_path, recipe=recipe)
    assert again.history == run.history


def test_columns_are_found_by_their_old_names_with_a_warning():
    row = HistoryRow(eval_loss=0.5, eval_accuracy=0.25)
    with pytest.warns(DeprecationWarning, match="test_accuracy of a history is called"):
        assert row["test_accuracy"] == 0.25
    with pytest.raises(KeyError, match="test_mean_average_precision"):
        row["test_mean_average_precision"]


def test_train_takes_the_old_name_of_a_setting_with_a_warning(tmp_path):
    with (
        pytest.warns(DeprecationWarning, match=r"train\(\): micro_batches is called"),
        pytest.raises(ValueError, match="multiple of .*accumulation_steps=3"),
    ):
        keras_vit.train(
            small_recipe(),
            dataset=small_dataset(),
            folder=tmp_path / "run",
            micro_batches=3,
        )
