"""`keras-vit inspect-data`, called as its entry point is."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_vit.cli.main import main


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pets():
    """A folder of two classes, four images each in train and two in test."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 2)):
        for name in ("cat", "dog"):
            folder = pathlib.Path("my pets", split, name)
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (10, 15 + number, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return pathlib.Path("my pets")


def test_a_sound_data_set_ends_with_0_and_a_report(pets, capsys):
    assert main(["inspect-data", f"--dataset={pets}"]) == 0
    text = capsys.readouterr().out
    assert "my pets, 2 classes" in text
    assert "width    15 to 18 pixels, median 16" in text
    assert "formats  PNG 8" in text
    assert "files      inspections/my-pets/ (report.json, contact_sheet.png" in text
    assert "unreadable" not in text
    assert (
        "  in order   - All images can be read.\n"
        "             - No image is there more than once.\n"
        "             - No image is in two of train, test.\n"
        "  found      - "
    ) in text
    written = pathlib.Path("inspections/my-pets")
    assert json.loads((written / "report.json").read_text())["sound"]
    assert all(len(line) <= 88 for line in text.splitlines())


def test_an_image_in_two_splits_ends_with_1(pets, capsys):
    shutil.copy(pets / "train/cat/0.png", pets / "test/dog/known.png")
    assert main(["inspect-data", f"--dataset={pets}", "--folder=out"]) == 1
    text = capsys.readouterr().out
    assert "- 1 image of test is in train too" in text
    assert "- All images can be read." in text
    assert "No image is" not in text
    assert (
        "copies     my pets/train/cat/0.png (train: cat) = "
        "my pets/test/dog/known.png (test: dog)"
    ) in text
    assert os.path.isfile("out/report.json")


def test_an_unreadable_image_ends_with_1_whatever_its_name_is(pets, capsys):
    path = os.fsencode(pets / "train/cat") + b"/\xff\x1b[31m.png"
    with open(path, "wb") as file:
        file.write(b"no image")
    assert main(["inspect-data", f"--dataset={pets}"]) == 1
    text = capsys.readouterr().out
    assert "can be read." not in text and "- No image is in two of" in text
    assert r"unreadable my pets/train/cat/\udcff\x1b[31m.png: no image" in text
    listed = pathlib.Path("inspections/my-pets/unreadable.txt").read_bytes()
    assert listed.startswith(path + b": no image")


def test_a_share_is_said_to_be_one(capsys):
    assert main(["inspect-data", "--limit=30"]) == 0
    text = capsys.readouterr().out
    assert "images   12,000, 30 of them drawn and read" in text
    assert "sizes    28 x 28 (100 %)" in text
    assert "found      - nothing in the share that was read" in text
    assert "in order   - All images drawn can be read" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit=0"], "limit"),
        (["--dataset=x"], "Unknown data set"),
        (["--folder=file"], "file is not a folder"),
        (["cats"], "unexpected argument 'cats'"),
    ],
)
def test_a_call_that_cannot_be_carried_out_ends_with_2(arguments, message, capsys):
    pathlib.Path("file").touch()
    assert main(["inspect-data", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
