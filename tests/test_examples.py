"""The scripts of `examples/`, run on little input."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
from conftest import randomize, tiny_vit
from PIL import Image

from keras_vit.data import Dataset, Split
from keras_vit.model_files import save_model

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_classify_trains_and_names_what_it_sees(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    load("classify").main(epochs=1)
    lines = capsys.readouterr().out.splitlines()
    share = float(lines[-11].removeprefix("test accuracy ").removesuffix("%"))
    assert share > 50  # of ten classes, after one epoch
    assert any(line.startswith("trouser.png Trouser") for line in lines[-10:])


def test_one_device_and_two_give_the_same_weights(tmp_path):
    """In a process of its own, whose CPU can still be made two devices."""
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / "same_on_many.py")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    words = run.stdout.split()
    assert words[-3:-1] == ["relative", "difference"]
    assert 0 < float(words[-1]) < 1e-5


def test_attention_is_drawn_over_pictures(tmp_path, monkeypatch, capsys, rng):
    model = randomize(tiny_vit(), rng)
    save_model(model, tmp_path / "run" / "model.keras", tuple("abcde"))
    (tmp_path / "run" / "images").mkdir()
    pixels = rng.integers(0, 256, (2, 20, 30, 3), np.uint8)
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / "run" / "images" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    load("attention").main("run")
    assert capsys.readouterr().out.startswith("attention.png: 2 pictures, shares up")
    assert Image.open("attention.png").size[0] == 1500


def test_few_shot_prints_an_accuracy_for_each_number_of_images(
    tmp_path, monkeypatch, capsys, rng
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    names = tuple("abcde")
    model = randomize(tiny_vit(), rng)
    save_model(model, tmp_path / "model.keras", names)
    labels = np.arange(150) % 5
    images = rng.integers(0, 60, (150, 16, 24, 3)) + 40 * labels[:, None, None, None]
    split = Split(images.astype(np.uint8), labels)
    pets = Dataset("pets", split, split, names)
    load("few_shot").main(tmp_path / "model.keras", pets)
    first, _, *lines = capsys.readouterr().out.splitlines()
    assert first == "150 test images, 16 features"
    assert [int(line.split()[0]) for line in lines] == [1, 5, 10, 25]
    assert all(20 < float(line.split()[1]) <= 100 for line in lines)  # 20: by chance
