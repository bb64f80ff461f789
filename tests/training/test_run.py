import csv
import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Split
from keras_vit.training.artifacts.folder import dataset_of
from keras_vit.training.artifacts.samples import write_samples
from support.training.small import small_dataset, small_recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run in a folder of its own, and that folder."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return keras_vit.train(small_recipe(), dataset=small_dataset()), folder


def test_a_run_learns(trained):
    run, _ = trained
    assert run.evaluation.count == 20
    assert run.evaluation.top1 > 0.9
    assert run.history[-1]["loss"] < run.history[0]["loss"]
    assert run.history[-1]["eval_accuracy"] == run.evaluation.top1


def test_a_run_leaves_everything_in_its_folder(trained):
    run, root = trained
    folder = root / "runs" / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "config.json",
        "confusion_matrix.png",
        "evaluation.json",
        "finished.json",
        "history.csv",
        "images",
        "labels.txt",
        "learning_curves.png",
        "model.keras",
        "report.html",
        "training_batch.png",
    ]
    config = json.loads((folder / "config.json").read_text())
    assert config["recipe"]["run"]["epochs"] == 12
    assert config["dataset"]["class_names"] == ["left half", "right/half"]
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [row["loss"] for row in run.history]
    assert (root / run.saved_model / "saved_model.pb").is_file()
    assert run.saved_model.parts == ("savedmodels", "run", "1")
    assert (root / run.saved_model / "README.md").read_text().startswith("# run\n")


def test_the_first_page_of_the_documentation_lists_files_that_a_run_leaves(trained):
    run, root = trained
    page = pathlib.Path(keras_vit.__file__).parents[1] / "docs" / "getting-started.md"
    _, table = page.read_text().split("| in `runs/fashion_mnist/` | |")
    lines = table.split("\n\n")[0].splitlines()[2:]
    cells = " ".join(line.split("|")[1] for line in lines)
    listed = {name.rstrip("/") for name in re.findall("`(.+?)`", cells)}
    assert len(listed) > 5
    assert listed <= {path.name for path in (root / run.folder).iterdir()}


def test_the_saved_model_file_gives_the_same_logits(trained, rng):
    run, root = trained
    images = rng.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    for path in (root / "runs" / "run", root / "savedmodels" / "run"):
        classifier = Classifier.of(path)
        assert classifier.class_names == ("left half", "right/half")
        np.testing.assert_allclose(
            classifier.model.predict_on_batch(images), run.model(images), atol=1e-5
        )


@pytest.mark.slow
def test_the_exported_model_runs_where_this_package_cannot_be_imported(trained, rng):
    run, root = trained
    images = rng.integers(0, 256, (3, 16, 16, 3)).astype("float32")
    np.save(root / "images.npy", images)
    code = """
import sys
sys.modules["keras_vit"] = None  # any import of it fails
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
images = np.load("images.npy")
answers = served.signatures["pixels"](images=tf.constant(images))
bytes_ = served.signatures["pixels_uint8"](images=tf.constant(images.astype("uint8")))
assert sorted(answers) == ["logits", "probabilities"], sorted(answers)
np.testing.assert_allclose(answers["logits"], bytes_["logits"], atol=1e-6)
e = np.exp(answers["logits"].numpy().astype("float64"))
expected = e / e.sum(1, keepdims=True)
np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
np.save("logits.npy", answers["logits"])
"""
    command = [sys.executable, "-c", code, str(run.saved_model)]
    subprocess.run(command, cwd=root, check=True)
    np.testing.assert_allclose(
        np.load(root / "logits.npy"), run.model(images), atol=1e-5
    )


@pytest.mark.slow
def test_two_runs_give_equal_numbers(tmp_path, monkeypatch, trained):
    monkeypatch.chdir(tmp_path)
    arguments = {"dataset": small_dataset(), "export": False}
    again = keras_vit.train(small_recipe(), **arguments)
    for name in ("loss", "accuracy", "eval_loss"):
        first = [row[name] for row in trained[0].history]
        assert [row[name] for row in again.history] == first
    for one, other in zip(again.model.weights, trained[0].model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    other_seed = keras_vit.train(small_recipe(), seed=1, **arguments)
    assert other_seed.history[0]["loss"] != again.history[0]["loss"]
    assert other_seed.folder.name == "run-2"


def three_logits():
    return keras_vit.model.ViT(
        image_size=16,
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=3,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "x"}, "Unknown recipe. Expected one of fashion_mnist"),
        ({"model": "VGG"}, "Expected one of ViT, ViT_Ti16"),
        ({"dataset": "x"}, "Unknown data set"),
        ({"model": three_logits()}, r"shape \(None, 10\). Received: .*\(None, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(arguments, message, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match=message):
        keras_vit.train(**({"recipe": small_recipe()} | arguments), folder=folder)
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("given", [None, "model"])
def test_evaluation_and_all_that_is_left_agree_on_the_preprocessing(
    given, tmp_path, monkeypatch
):
    """Cropping takes away what was put around the images; squashing does not."""
    monkeypatch.chdir(tmp_path)
    whole = small_dataset()
    images = np.pad(whole.test.images, ((0, 0), (9, 9), (9, 9), (0, 0)), "symmetric")
    dataset = dataclasses.replace(whole, test=Split(images, whole.test.labels))
    recipe = small_recipe(evaluation_preprocessing="big_vision:16/34", epochs=2)
    model = None
    if given:
        sizes = recipe.model.arguments
        model = keras_vit.ViT(image_size=16, num_classes=2, **sizes)
    run = keras_vit.train(recipe, dataset=dataset, model=model, name="mine")
    if given:
        assert run.model is model
    config = json.loads((tmp_path / "runs" / "mine" / "config.json").read_text())
    assert config["recipe"]["model"]["name"] == (None if given else "ViT")
    assert config["recipe"]["data"]["name"] == "sides"
    assert config["model"]["parameters"] == run.model.count_params()
    assert run.saved_model.parts == ("savedmodels", "mine", "1")
    cropped = keras_vit.evaluate(run.model, whole.test, preprocessing="vit_jax")
    assert run.evaluation.loss == pytest.approx(cropped.loss, rel=1e-5)
    squashed = keras_vit.evaluate(run.model, dataset.test, preprocessing="vit_jax")
    assert abs(squashed.loss - cropped.loss) > 1e-3
    for path in (run.folder, run.saved_model):
        again = keras_vit.evaluate(Classifier.of(path).model, dataset.test)
        assert again.loss == pytest.approx(cropped.loss, rel=1e-5)


@pytest.mark.slow
def test_a_trained_model_goes_on_to_other_classes_with_a_new_head(
    trained, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first, root = trained
    whole = small_dataset()
    split = Split(whole.train.images, np.arange(len(whole.train)) % 3)
    dataset = Dataset("three", split, split, tuple("abc"))
    run = keras_vit.train(
        small_recipe(epochs=1, base_lr=0.0),
        model=str(root / first.folder),
        dataset=dataset,
        export=False,
    )
    assert run.model.output_shape == (None, 3)
    old = {weight.path: weight.numpy() for weight in first.model.weights}
    for weight in run.model.weights:
        if weight.path.startswith("head/"):
            assert not weight.numpy().any()
        else:
            np.testing.assert_array_equal(weight.numpy(), old[weight.path])


def test_equally_many_classes_of_other_names_have_a_new_head(trained):
    first, root = trained
    recipe = small_recipe(model=str(root / first.folder))
    for names, kept in ((first_names(), True), (("cat", "dog"), False)):
        model = keras_vit.training.model.build_model(recipe.model, 2, names)
        assert model.get_layer("head").kernel.numpy().any() == kept


def first_names():
    return small_dataset().class_names


def test_images_of_several_classes_need_a_loss_for_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    split = small_dataset().train
    labels = np.stack([np.ones(len(split), int), np.arange(len(split)) % 2], 1)
    several = Split(split.images, labels)
    dataset = Dataset("both", several, several, ("a", "b"))
    with pytest.raises(ValueError, match="loss=sigmoid"):
        keras_vit.train(small_recipe(), dataset=dataset)


def test_every_class_has_a_sample_image_of_its_own_name(trained, tmp_path):
    names = ("+", "a b", "a-b", "x" * 300)
    split = small_dataset().train
    split = Split(split.images, np.arange(len(split)) % 4)
    write_samples(tmp_path / "images", Dataset("odd", split, split, names))
    found = {path.name for path in (tmp_path / "images").iterdir()}
    assert found == {"0.png", "a_b.png", "a_b_2.png", f"{'x' * 60}.png"}
    run, root = trained
    left = {path.name for path in (root / run.folder / "images").iterdir()}
    assert left == {"left_half.png", "right_half.png"}


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(FileExistsError, match="which holds other files"):
        keras_vit.train(small_recipe(), dataset=small_dataset(), folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FloatingPointError, match="smaller base_lr"):
        keras_vit.train(
            small_recipe(base_lr=1e30, clip_norm=1e30), dataset=small_dataset()
        )
    assert not (tmp_path / "savedmodels").exists()


@pytest.mark.slow
def test_images_of_several_classes_are_learnt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = small_dataset()
    both = [
        Split(split.images, np.eye(3, dtype=int)[split.labels] + [0, 0, 1])
        for split in (dataset.train, dataset.test)
    ]
    dataset = Dataset("sides and more", *both, ("left", "right", "always"))
    run = keras_vit.train(
        small_recipe(loss="sigmoid", head_bias=-2.0, epochs=40), dataset=dataset
    )
    assert run.history[-1]["eval_loss"] < run.history[0]["eval_loss"] / 2
    assert run.evaluation.top1 > 0.9
    page = (run.folder / "report.html").read_text()
    assert "<p>mAP " in page
    assert '<th scope="row">always</th>' in page
    assert 'id="confusion"' not in page  # an image has more than one class
    logits = run.model.predict_on_batch(dataset.test.images)
    assert ((logits > 0) == (dataset.test.labels > 0)).mean() > 0.9
    evaluation = keras_vit.evaluate(run.model, dataset.test)
    assert evaluation.loss == pytest.approx(run.evaluation.loss, rel=1e-5)
    # And the probabilities are of each class by itself, wherever the model is.
    Image.fromarray(dataset.test.images[0]).save("one.png")
    expected = 1 / (1 + np.exp(-logits[0]))
    for path in (run.folder, run.saved_model):
        [told] = keras_vit.predict(path, "one.png")
        np.testing.assert_allclose(told.class_probabilities, expected, rtol=1e-4)


@pytest.mark.slow
def test_paths_are_taken_as_names_are(trained, tmp_path, monkeypatch):
    first, root = trained
    monkeypatch.chdir(root)
    second = keras_vit.train(
        small_recipe(epochs=1, distillation="hard"),
        dataset=small_dataset(),
        export=False,
        model=first.folder,
        teacher=first.folder / "model.keras",
        folder=tmp_path / "second",
        base_lr=0.0,
    )
    for one, other in zip(
        first.model.get_weights(), second.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    config = json.loads((second.folder / "config.json").read_text())
    assert config["recipe"]["model"]["name"] == str(first.folder)
    assert config["recipe"]["task"]["teacher"] == str(first.folder / "model.keras")
    assert config["given_in_python"] == ["dataset"]
    with pytest.raises(ValueError, match="objects of Python as dataset"):
        keras_vit.training.read_config(second.folder / "config.json")
    with pytest.raises(ValueError, match="an object of Python as dataset"):
        dataset_of(second.folder / "config.json")


def test_a_run_tells_its_data_set_whoever_made_its_model(tmp_path):
    config = {"recipe": recipes.as_json(small_recipe(dataset="a.zip")), "seed": 0}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config | {"given_in_python": ["model"]}))
    assert dataset_of(path) == ("a.zip", {})
    with pytest.raises(ValueError, match="objects of Python as model"):
        keras_vit.training.read_config(path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"model": 3},
            TypeError,
            "a Keras model or a keras_vit.Class.* Received: builtins.int",
        ),
        ({"rate": 3}, TypeError, "no setting rate. Expected some of .*base_lr"),
        ({"dataset": ""}, ValueError, "dataset= .* names no data set"),
    ],
)
def test_what_train_does_not_know_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        keras_vit.train(small_recipe(), **arguments)


def test_a_model_that_exists_takes_no_setting_of_one_to_be_built(tmp_path):
    model = keras_vit.model.ViT(
        image_size=16,
        patch_size=8,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=2,
    )
    with pytest.raises(
        ValueError, match="precision must go with a model that the recipe builds"
    ):
        keras_vit.train(small_recipe(), model=model, precision="mixed_bfloat16")
