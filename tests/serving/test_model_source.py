"""Any model is served: one that is not exported yet is exported first."""

import logging
import os

import numpy as np
import pytest

import keras_vit.exporting
from keras_vit.classifier import Classifier
from keras_vit.exporting import saved_model
from keras_vit.model_files import save_model
from keras_vit.serving.model_source import folder_of
from support.models import randomize, tiny_vit

NAMES = ("ant", "bee", "cat", "dog", "eel")


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(name="insects"), np.random.default_rng(0))


@pytest.fixture
def home(model, tmp_path, monkeypatch):
    """The user's folder, with a run in it; and an export without its check."""

    def export(classifier, folder):
        saved_model.write(classifier, folder / "1")
        return folder / "1"

    monkeypatch.setattr(keras_vit.exporting, "export", export)
    monkeypatch.setenv("HOME", str(tmp_path))
    save_model(model, tmp_path / "run" / "model.keras", NAMES)
    return tmp_path


@pytest.mark.slow
def test_a_model_is_exported_for_as_long_as_it_is_served(home, model, caplog):
    named = Classifier.of(model, class_names=NAMES)
    caplog.set_level(logging.INFO, "keras_vit.serving")
    for source, name in ((named, "insects"), ("~/run", "run")):
        with folder_of(source) as folder:
            assert folder.name == name
            assert [*folder.versions()] == [1]
            labels = folder.path / "1" / "assets" / "labels.txt"
            assert tuple(labels.read_text("utf-8").splitlines()) == NAMES
        assert not folder.path.parent.exists()
    lines = [one.getMessage() for one in caplog.records]
    assert [line.split()[:2] for line in lines[-2:]] == [
        ["exporting", "run,"],
        ["exported", "run"],
    ]


def test_a_saved_model_is_served_where_it_is(home, model):
    saved_model.write(Classifier.of(model), home / "served" / "3")
    (home / "served" / "model.keras").write_bytes(b"beside it")
    for path in ("~/served", home / "served" / "3"):
        with folder_of(path) as folder:
            assert [*folder.versions()] == [3]
            assert folder.path.is_relative_to(home)
    assert (home / "served" / "3" / "saved_model.pb").exists()
    with (
        pytest.raises(ValueError, match="by its path. Received: .*'served'"),
        folder_of(Classifier.of(home / "served" / "3")),
    ):
        pass


def test_what_is_no_model_is_refused_before_it_is_exported(home):
    (home / "empty").mkdir()
    (home / "broken.keras").write_bytes(b"no model")
    for source, error, message in (
        (3, TypeError, "Expected a Keras model.*Received: int"),
        ("~/nowhere", FileNotFoundError, "No such file or folder"),
        ("~/nowhere.keras", FileNotFoundError, "[Nn]o such file or folder"),
        ("~/empty", ValueError, "a run's folder with model.keras"),
        ("~/broken.keras", ValueError, "broken.keras cannot be loaded"),
    ):
        with pytest.raises(error, match=message), folder_of(source):
            pass
    assert sorted(os.listdir(home)) == ["broken.keras", "empty", "run"]
