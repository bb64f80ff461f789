"""`keras-vit predict`: what it prints, and the files it writes."""

import csv
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_vit.cli.main import main
from keras_vit.model_files import save_model
from support.models import randomize, tiny_vit

NAMES = ("cat", 'a "big", dog', "été")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "pets.keras"
    built = randomize(tiny_vit(image_size=28, num_classes=3), np.random.default_rng(0))
    save_model(built, path, NAMES)
    return path


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("photos").mkdir()
    for name, size in (("wide.png", (90, 40)), ("tall.png", (31, 64))):
        pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{name}")
    pathlib.Path("photos/bad.jpg").write_text("no image")


def printed(out):
    """What is printed of each path."""
    lines = [line.split(": ", 1) for line in out.splitlines() if line[0] != " "]
    return dict(lines)


def test_the_table_has_a_row_for_each_image_with_what_was_printed(model, capsys):
    command = ["predict", f"--model={model}", "--top=2", "--output=out/found.csv"]
    assert main([*command, "photos"]) == 1  # one image cannot be read
    out = capsys.readouterr().out
    with open("out/found.csv", newline="", encoding="utf-8") as file:
        rows = {pathlib.Path(row["path"]).name: row for row in csv.DictReader(file)}
    assert {*rows} == {"bad.jpg", "tall.png", "wide.png"}
    assert (
        rows["bad.jpg"]["label"] == "" and "not a readable" in rows["bad.jpg"]["error"]
    )
    for path, text in printed(out).items():
        row = rows[pathlib.Path(path).name]
        first = f"{row['label']} {100 * float(row['probability']):.1f} %"
        second = f"{row['label_2']} {100 * float(row['probability_2']):.1f} %"
        assert text == f"{first}, {second}"
        assert row["label"] in NAMES and row["error"] == ""
    assert "predictions  out/found.csv (3 images)" in out


def test_the_list_has_an_entry_for_each_image(model):
    command = ["predict", f"--model={model}", "--top=9", "--output=found.json"]
    assert main([*command, "photos"]) == 1
    entries = json.loads(pathlib.Path("found.json").read_text(encoding="utf-8"))
    assert [pathlib.Path(one["path"]).name for one in entries] == [
        "bad.jpg",
        "tall.png",
        "wide.png",
    ]
    bad, *others = entries
    assert bad["label"] is None and bad["top"] == [] and bad["error"]
    for one in others:
        assert {pair["label"] for pair in one["top"]} == {*NAMES}
        assert sum(pair["probability"] for pair in one["top"]) == pytest.approx(1)
        assert one["top"][0] == {k: one[k] for k in ("label", "probability")}


def test_pictures_keep_their_aspect_under_their_labels(model, capsys):
    command = ["predict", f"--model={model}", "--top=2", "--save_pictures=seen"]
    assert main([*command, "photos/wide.png", "photos/tall.png"]) == 0
    assert sorted(one.name for one in pathlib.Path("seen").iterdir()) == [
        "0001_wide.png",
        "0002_tall.png",
    ]
    assert "pictures     seen/ (2 files)" in capsys.readouterr().out
    with Image.open("photos/wide.png") as file:
        pixels = np.asarray(file.convert("RGB"))
    with Image.open("seen/0001_wide.png") as file:
        drawn = np.asarray(file.convert("RGB"))
    assert 1.2 < drawn.shape[1] / drawn.shape[0] < 90 / 40  # lines of text are above
    # The picture is at the bottom, ten pixels a pixel: each cell has its colour.
    left, bottom = 12, drawn.shape[0] - 12
    for row, column in ((39, 0), (20, 45), (1, 89)):
        y, x = bottom - 10 * (40 - row) + 5, left + 10 * column + 5
        np.testing.assert_allclose(drawn[y, x], pixels[row, column], atol=2)
    text = drawn[: bottom - 400 - 4]
    assert (text < 128).any() and (text == 255).mean() > 0.8


def test_a_file_that_cannot_be_written_is_not_half_there(model, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    pathlib.Path("found.csv").write_text("old")
    monkeypatch.setattr("csv.writer", full)
    command = ["predict", f"--model={model}", "--output=found.csv"]
    assert main([*command, "photos/wide.png"]) == 2
    assert pathlib.Path("found.csv").read_text() == "old"
    assert {one.name for one in pathlib.Path().iterdir()} == {"found.csv", "photos"}


def test_a_home_folder_is_found_in_every_path(model, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pets.keras").write_bytes(model.read_bytes())
    command = ["predict", "--model=~/pets.keras", "--output=~/found.json"]
    assert main([*command, "~/photos/wide.png"]) == 0
    assert (tmp_path / "found.json").is_file()
