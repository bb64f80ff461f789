"""What `train` takes: whatever people have, by name, by path or in memory."""

import dataclasses
import json
import logging
import os
import pathlib
import shutil
import typing
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import experiments, recipes, training
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Split
from keras_vit.data.sources import OPTIONS
from keras_vit.meaning import meaning_of
from keras_vit.recipes.checked import Kind
from keras_vit.recipes.typed import AllSettings
from keras_vit.training.arguments import TrainArguments, TrainSettings
from keras_vit.training.artifacts import checkpoints
from keras_vit.training.artifacts.folder import RunFolder
from support.training.interrupted import At, outcome, train
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

ONE_STEP = small_recipe(steps=1, warmup_steps=0)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def vit(num_classes=2, **options):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    return keras_vit.ViT(num_classes, image_size=16, patch_size=8, **sizes | options)


def one_step(recipe=ONE_STEP, dataset=None, **arguments):
    arguments = {"export": False, "verbose": 0} | arguments
    return keras_vit.train(recipe, dataset=dataset or small_dataset(), **arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of one step, in a folder that nothing writes to any more."""
    return one_step(folder=tmp_path_factory.mktemp("finished") / "run")


def test_the_settings_that_train_takes_are_those_of_recipes_and_of_reading():
    own = {"dataset", "model", "weights", "teacher"}
    kinds = {n: k for n, k in recipes.setting_kinds().items() if n not in own}
    hints = typing.get_type_hints(AllSettings)
    plain = {n: dataclasses.replace(k, has_none=False) for n, k in kinds.items()}
    of_settings = {n: Kind.of(hint) for n, hint in hints.items() if n not in own}
    assert of_settings == plain
    taken = typing.get_type_hints(TrainSettings).keys() - {"schedule"}  # an object
    assert taken == kinds.keys() | {*OPTIONS}


@pytest.mark.parametrize("name", ["train", "transfer", "transfer_vtab", "run_trials"])
def test_every_parameter_of_training_has_a_type(name):
    function = getattr(training if name == "train" else experiments, name)
    annotations = typing.get_type_hints(
        function, localns={"tf": tf, "Strategy": tf.distribute.Strategy}
    )
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount + 1
    assert annotations.keys() == {*code.co_varnames[:count], "return"}


def test_a_fine_tuned_model_has_the_classes_of_its_data_and_not_its_old_ones():
    model = vit()
    keras_vit.meaning.set_meaning(
        model, class_names=("cat", "dog"), activation="sigmoid"
    )
    run = one_step(model=model)
    assert run.model is model
    for path in (run.folder, run.folder / "model.keras"):
        kept = Classifier.of(path)
        assert kept.class_names == ("left half", "right/half")
        assert kept.activation == "softmax"
    assert Classifier.of(model).class_names == ("left half", "right/half")


def test_the_activation_of_a_trained_model_is_that_of_its_loss():
    run = one_step(recipes.changed(ONE_STEP, {"loss": "sigmoid"}))
    assert meaning_of(run.model).activation == "sigmoid"
    assert Classifier.of(run.folder).activation == "sigmoid"


def test_nothing_reads_names_beside_a_model_that_has_its_own(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "labels.txt").write_text("cup\npan\n")
    assert Classifier.of(folder).class_names == ("left half", "right/half")


def test_a_network_from_elsewhere_is_saved_with_the_names_of_its_classes():
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    run = one_step(model=model)
    assert run.model is model
    assert Classifier.of(run.folder).class_names == ("left half", "right/half")


def test_a_classifier_is_trained_as_a_copy_with_a_head_for_other_classes():
    model = vit(num_classes=3)
    before = [weight.numpy() for weight in model.weights]
    run = one_step(model=Classifier.of(model, class_names=("a", "b", "c")))
    assert run.model.output_shape == (None, 2)
    assert meaning_of(run.model).class_names == ("left half", "right/half")
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())
    config = json.loads((run.folder / "config.json").read_text())
    assert config["given_in_python"] == ["model", "dataset"]


def test_a_classifier_and_the_path_of_its_file_train_to_equal_weights(finished):
    by_path = one_step(model=finished.folder, folder="by_path")
    by_value = one_step(model=Classifier.of(finished.folder), folder="by_value")
    for one, other in zip(by_path.model.weights, by_value.model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_arrays_of_images_and_labels_are_a_data_set():
    split = small_dataset().train
    run = one_step(dataset=(split.images, split.labels))
    config = json.loads((run.folder / "config.json").read_text())
    assert config["dataset"]["class_names"] == ["0", "1"]
    count = config["dataset"]["training_images"] + config["dataset"]["eval_images"]
    assert count == len(split)
    assert config["dataset"]["eval_images"] > 0


def test_a_tilde_is_the_home_folder_in_every_path(finished, tmp_path):
    arguments = TrainArguments.of("~/model", "~/data", pathlib.Path("~/teacher"))
    assert dataclasses.astuple(arguments) == tuple(
        str(tmp_path / name) for name in ("model", "data", "teacher")
    )
    shutil.copytree(finished.folder, tmp_path / "first")
    assert one_step(model="~/first", folder="~/second").folder == tmp_path / "second"


SOFT = recipes.changed(ONE_STEP, {"distillation": "soft"})


def test_a_teacher_is_a_path_a_model_or_a_classifier(finished):
    folder, model = finished.folder, finished.model
    losses = [
        one_step(SOFT, teacher=one, folder=f"student_{number}").history[0]["loss"]
        for number, one in enumerate((folder, model, Classifier.of(folder)))
    ]
    assert len({*losses}) == 1


def test_a_teacher_in_memory_with_other_classes_is_refused():
    teacher = Classifier.of(vit(), class_names=("cat", "dog"))
    with pytest.raises(ValueError, match="Expected|left half, right/half. Received: c"):
        one_step(SOFT, teacher=teacher)
    assert not pathlib.Path("runs").exists()


WRONG = [
    ({"model": 3}, TypeError, "model must be .* Received: builtins.int. Pass"),
    ({"model": np.zeros(3)}, TypeError, "Received: numpy.ndarray. Pass the path"),
    ({"teacher": ["a"]}, TypeError, "teacher must be a path, .* builtins.list. Pass"),
    ({"dataset": 3}, TypeError, "dataset must be .* Received: builtins.int"),
    ({"dataset": small_dataset().train}, TypeError, "Received: a split .* Pass"),
    ({"dataset": ([1], [2, 3])}, ValueError, "Images must be"),
    ({"recipe": 3}, TypeError, "recipe must be .* Received: builtins.int"),
    ({"recipe": "finetun"}, ValueError, "Did you mean 'finetune'"),
    ({"strategy": 3}, TypeError, "strategy must be .* Received: builtins.int"),
    ({"verbose": 3}, ValueError, "verbose must be 0 .* Received: verbose=3"),
    ({"epoch": 3}, TypeError, "no setting epoch. .* Did you mean 'epochs'"),
    ({"epochs": "3"}, TypeError, "epochs must be a whole number. Received: epochs='3'"),
    ({"epochs": 1.5}, TypeError, "epochs must be a whole number. Received: epochs=1.5"),
    ({"base_lr": None}, TypeError, "base_lr must be a number. Received: base_lr=None"),
    ({"model": "runs/none"}, ValueError, "existing path"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG)
def test_what_is_wrong_is_answered_in_three_parts_before_any_work(
    arguments, error, message
):
    with pytest.raises(error, match=message):
        keras_vit.train(**{"recipe": ONE_STEP, "dataset": small_dataset()} | arguments)
    assert not os.listdir()


def test_whole_numbers_of_numpy_are_those_of_python():
    recipe = recipes.changed(ONE_STEP, {"epochs": np.int64(3), "base_lr": 1})
    assert (type(recipe.run.epochs), type(recipe.schedule.base_lr)) == (int, float)
    assert (recipe.run.epochs, recipe.schedule.base_lr) == (3, 1.0)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose_is_that_of_keras(verbose, capsys):
    one_step(verbose=verbose)
    printed = capsys.readouterr()
    assert bool(printed.out) == (verbose > 0)
    assert ("epoch" in printed.out) == (verbose > 0)
    assert ("images/s" in printed.err) == (verbose == 1)


def test_a_program_that_logs_gets_the_lines_of_a_run_once(capsys, caplog):
    with caplog.at_level(logging.INFO, "keras_vit"):
        one_step(verbose=2)
    assert not capsys.readouterr().out
    [line] = [one for one in caplog.messages if "eval" in one or "accuracy" in one]
    assert "test accuracy" in line


def test_transfer_leaves_a_model_in_memory_as_it_is():
    model = vit(num_classes=3)
    before = [weight.numpy() for weight in model.weights]
    with mock.patch("keras_vit.experiments.transfer_runs.write_transfer"):
        found = experiments.transfer(
            ONE_STEP,
            model=model,
            dataset=small_dataset(),
            rates=[0.01],
            seeds=2,
            verbose=0,
        )
    assert [one.count for one in found.runs] == [20, 20]
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())
    kept = Classifier.of(found.runs[1].folder)
    assert kept.class_names == ("left half", "right/half")


def test_out_of_memory_ends_a_run_as_tensorflow_says_it_and_the_run_resumes(tmp_path):
    def exhaust():
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    recipe = small_recipe(epochs=2)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="OOM when allocating"):
        train(tmp_path, [At("on_train_batch_begin", 8, exhaust)], recipe=recipe)
    folder = RunFolder(tmp_path / "run")
    assert not list(folder.path.rglob(".*"))
    assert not folder.finished()
    assert checkpoints.Checkpoints(folder.path / "checkpoints").steps() == [5]
    with folder.held():  # and nobody holds it
        pass
    (tmp_path / "whole").mkdir()
    resumed = outcome(train(tmp_path, recipe=recipe))
    assert resumed == outcome(train(tmp_path / "whole", recipe=recipe))


def test_a_run_is_trained_where_the_package_is_no_distribution(monkeypatch):
    import importlib.metadata

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    config = json.loads((one_step().folder / "config.json").read_text())
    assert config["versions"] == {
        "keras-vision-transformer": keras_vit.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }


def test_a_data_set_of_more_classes_than_a_models_is_refused_with_what_to_do():
    split = Split(np.zeros((6, 16, 16, 3), np.uint8), np.arange(6) % 3)
    dataset = Dataset("three", split, split, ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"replace_head\(model, num_classes\)"):
        one_step(recipes.changed(ONE_STEP, {"batch_size": 3}), dataset, model=vit())
