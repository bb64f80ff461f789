"""What functions on a model's layers take as a model."""

import dataclasses

import numpy as np
import pytest

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.exporting import saved_model
from keras_vit.meaning import meaning_of
from keras_vit.preprocessing import resolve
from support.models import randomize, tiny_vit

IMAGES = np.random.default_rng(1).uniform(0, 255, (2, 16, 24, 3)).astype("float32")
FUNCTIONS = {
    "resize": lambda source: keras_vit.resize(source, (24, 24)),
    "replace_head": lambda source: keras_vit.replace_head(source, None),
    "merge_tokens": lambda source: keras_vit.merge_tokens(source, 1),
}


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    """A run of an earlier version, which wrote names of classes beside its model."""
    folder = tmp_path_factory.mktemp("home") / "run"
    folder.mkdir()
    model.save(folder / "model.keras")
    (folder / "labels.txt").write_text("ant\nbee\ncat\ndog\neel\n")
    return folder


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_model_is_rebuilt_from_a_path_as_from_itself(name, model, run, monkeypatch):
    monkeypatch.setenv("HOME", str(run.parent))
    expected = FUNCTIONS[name](model)
    for source in (run, str(run / "model.keras"), "~/run", Classifier.of(model)):
        received = FUNCTIONS[name](source)
        assert received.input_shape == expected.input_shape
        for weight, other in zip(received.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(weight, other)


def test_names_of_classes_beside_a_file_are_kept(run):
    assert meaning_of(keras_vit.resize(run, (24, 24))).class_names == (
        *("ant", "bee", "cat", "dog", "eel"),
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_classifier_says_is_kept_though_its_model_says_otherwise(name, model):
    before = meaning_of(model)
    classifier = dataclasses.replace(
        Classifier.of(model, class_names=("one", "two", "three", "four", "five")),
        activation="sigmoid",
        preprocessing=resolve("timm:0.9"),
    )
    meaning = meaning_of(FUNCTIONS[name](classifier))
    assert meaning.preprocessing == resolve("timm:0.9")
    if name != "replace_head":
        assert meaning.class_names == classifier.class_names
        assert meaning.activation == "sigmoid"
    assert meaning_of(model) == before


@pytest.mark.slow
def test_what_has_no_layers_is_refused(model, tmp_path):
    saved_model.write(Classifier.of(model), tmp_path / "served" / "1")
    for function in FUNCTIONS.values():
        with pytest.raises(ValueError, match=r"cannot be (resized|changed)"):
            function(tmp_path / "served")
        with pytest.raises(FileNotFoundError, match="runs/missing"):
            function("runs/missing")
        with pytest.raises(TypeError, match="Expected a Keras model.*Received: int"):
            function(3)
