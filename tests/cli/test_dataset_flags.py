import json

import pytest

import keras_vit.data
import keras_vit.training
from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.cli.main import main
from keras_vit.decoding import Decoding

GIVEN = ["--dataset=a.zip", "--data_dir=room", "--download", "--noexif_orientation"]
NAMED = {"data_dir": "room", "download": True, "exif_orientation": False}
READ = {"pixel_range": "0:4095", "background": "black", "max_pixels": 9}
GIVEN += [f"--{name}={value}" for name, value in READ.items()]
NAMED |= READ


@pytest.fixture(autouse=True)
def in_a_folder_with_an_archive_and_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.zip").touch()
    (tmp_path / "x.keras").touch()
    (tmp_path / "model.keras").touch()


USUAL = {"data_dir": None, "download": False}
OF_MODELS = {"pixel_range": "full", "background": "white", "max_pixels": 62_000_000}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(GIVEN, {"dataset": "a.zip"} | NAMED), ([], USUAL)],
)
def test_train_hands_on_what_the_flags_say(monkeypatch, flags, expected):
    seen = {}

    def train(recipe, **arguments):
        seen.update(arguments)
        raise ValueError("seen")

    monkeypatch.setattr(keras_vit.training, "train", train)
    assert main(["train", *flags]) == 2
    assert {n: seen[n] for n in seen.keys() & {"dataset", *NAMED}} == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(GIVEN, ("a.zip", NAMED)), ([], ("fashion_mnist_sample", USUAL | OF_MODELS))],
)
def test_evaluate_hands_on_what_the_flags_say(monkeypatch, flags, expected):
    seen = []

    def load(name, **arguments):
        seen.append((name, arguments))
        raise ValueError("seen")

    monkeypatch.setattr(keras_vit.data, "load", load)
    monkeypatch.setattr(Classifier, "of", lambda _: _Model)
    assert main(["evaluate", "--model=x.keras", *flags]) == 2
    assert seen == [expected]


def test_evaluate_takes_the_data_set_of_the_run_if_none_is_named(
    monkeypatch, tmp_path, capsys
):
    seen = []

    def load(name, **arguments):
        seen.append(name)
        raise ValueError("seen")

    monkeypatch.setattr(keras_vit.data, "load", load)
    monkeypatch.setattr(Classifier, "of", lambda _: _Model)
    own = recipes.changed(recipes.get("fashion_mnist"), {"dataset": "cifar10"})
    recipe = recipes.as_json(own)
    for objects in (["model"], ["dataset"]):
        config = {"recipe": recipe, "seed": 0, "given_in_python": objects}
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert main(["evaluate", f"--model={tmp_path}"]) == 2
        error = capsys.readouterr().err
        assert ("Name one: --dataset" in error) == ("dataset" in objects)
    assert main(["evaluate", f"--model={tmp_path}", "--dataset=a.zip"]) == 2
    assert seen == ["cifar10", "a.zip"]


class _Model:
    model, name, decoding = None, "x", Decoding()
