"""Runs on data sets from files: the classes' names reach what a run leaves."""

import json

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import recipes
from keras_vit.classifier import Classifier

pytestmark = pytest.mark.slow  # whole runs

RECIPE = recipes.Recipe.of(
    dataset="",
    model="ViT",
    model_arguments={
        "patch_size": 8,
        "num_layers": 1,
        "num_heads": 1,
        "hidden_dim": 8,
        "mlp_dim": 8,
    },
    image_size=16,
    steps=2,
    warmup_steps=0,
    batch_size=2,
    base_lr=0.01,
)
PAIRS = [("ä/1.png", "grün; rot"), ("b/2.png", "rot"), ("b/3.png", "")]


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, _ in PAIRS:
        for split in ("train", "test"):
            path = tmp_path / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    return tmp_path


@pytest.mark.parametrize("kind", ["folder", "table of several labels"])
def test_the_names_of_classes_reach_model_and_export(root, kind):
    source, names, loss = ".", ("b", "ä"), "softmax"
    if kind != "folder":
        rows = [f"{s}/{n},{label},{s}" for s in ("train", "test") for n, label in PAIRS]
        (root / "table.csv").write_text("\n".join(["path,labels,split", *rows]))
        source, names, loss = "table.csv", ("grün", "rot"), "sigmoid"
    run = keras_vit.train(RECIPE, dataset=source, loss=loss, exif_orientation=False)
    for path in (run.folder, run.saved_model):
        assert Classifier.of(path).class_names == names
    assert run.evaluation.count == 3
    config = json.loads((run.folder / "config.json").read_text())
    assert config["dataset"]["class_names"] == [*names]
    assert config["recipe"]["data"]["name"] == source
