"""`keras-vit inspect`, called as its entry point is."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_vit.cli.main import main
from keras_vit.factories import FACTORIES
from keras_vit.inspect import attention_rollout
from keras_vit.model_files import save_model
from keras_vit.preprocessing import resolve
from support.models import randomize, tiny_vit

NAMES = tuple("abcdefghij")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("one", 0), ("two", 1)):
        model = tiny_vit(num_classes=10, evaluation_preprocessing="timm:1")
        randomize(model, np.random.default_rng(seed))
        save_model(model, folder / name / "model.keras", NAMES)
    return folder


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def photographs(count):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 40, 50, 3), np.uint8)
    pathlib.Path("photos").mkdir()
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(f"photos/{number}.png")
    return pixels


def test_image_files_are_read_as_the_models_evaluation_reads_them(runs, capsys):
    from keras_vit.classifier import Classifier
    from keras_vit.data.preprocessing import preprocess

    pixels = photographs(3)
    command = ["inspect", f"--model={runs / 'one'}", "--images=photos"]
    assert main([*command, "--what=rollout,positions", "--limit=2"]) == 0
    text = capsys.readouterr().out
    assert "one, 2 images: photos" in text
    folder = pathlib.Path("inspections/one")
    assert f"files      {folder}/ (report.html" in text
    images = [preprocess(one, (16, 24), resolve("timm:1")) for one in pixels[:2]]
    expected = attention_rollout(
        Classifier.of(runs / "one").model, np.float32(np.stack(images))
    )
    with np.load(folder / "rollout.npz") as numbers:
        np.testing.assert_allclose(numbers["shares"], expected, rtol=1e-4)
    written = {path.name for path in folder.iterdir()}
    assert written == {"report.html", "inspection.json"} | {
        f"{name}.{suffix}"
        for name in ("rollout", "positions")
        for suffix in ("png", "svg", "npz")
    }


def test_two_models_are_compared_on_images_of_all_classes(runs, capsys):
    command = ["inspect", f"--model={runs / 'one'}", f"--compare={runs / 'two'}"]
    assert main([*command, "--what=cka", "--limit=20", "--folder=out"]) == 0
    assert "Of two, layer" in capsys.readouterr().out
    told = json.loads(pathlib.Path("out/inspection.json").read_text())
    assert told["compared_with"] == "two"
    assert told["source"] == "drawn from fashion_mnist_sample, test"
    classes = [name.split(" (")[0] for name in told["images"]]
    assert len(set(classes[:10])) == len(set(classes)) == 10
    with np.load("out/cka.npz") as numbers:
        assert numbers["cka"].shape == (2, 2)


def test_a_file_that_is_no_image_ends_the_command_with_its_name(runs, capsys):
    photographs(1)
    pathlib.Path("photos/b.jpg").write_text("no image")
    command = ["inspect", f"--model={runs / 'one'}", "--images=photos"]
    assert main([*command, "--what=rollout"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("keras-vit inspect: photos/b.jpg: not a readable image")
    assert len(error.splitlines()) == 1
    assert not pathlib.Path("inspections").exists()


def test_a_factory_is_called_by_its_weights_too(monkeypatch, capsys):
    monkeypatch.setitem(FACTORIES, "ViT_Ti16", lambda **_: tiny_vit())
    photographs(1)
    command = ["inspect", "--model=ViT_Ti16", "--images=photos", "--what=positions"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ViT_Ti16 (random weights), 1 image: photos"
    page = pathlib.Path("inspections/ViT_Ti16/report.html").read_text()
    assert "<h1>Inside ViT_Ti16 (random weights)</h1>" in page


def test_a_run_of_data_without_a_name_asks_for_images(runs, monkeypatch, capsys):
    def told(path):
        raise ValueError("no name.")

    monkeypatch.setattr("keras_vit.training.artifacts.folder.dataset_of", told)
    pathlib.Path("config.json").write_text("{}")  # where a factory's name is no path
    monkeypatch.setitem(FACTORIES, "ViT_Ti16", lambda **_: tiny_vit())
    rest = ["--what=positions", "--limit=1"]
    assert main(["inspect", "--model=ViT_Ti16", *rest]) == 0
    shutil.copytree(runs / "one", "run")
    pathlib.Path("run/config.json").write_text("{}")
    assert main(["inspect", "--model=run", *rest]) == 2
    error = capsys.readouterr().err
    assert error.endswith("no name. Name images: --images or --dataset.\n")
