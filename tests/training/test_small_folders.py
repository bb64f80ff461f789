"""Recipes on fewer images than they were made for, through `train` and the command."""

import json
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import recipes
from keras_vit.cli.main import main
from keras_vit.training import preparation
from support.training.interrupted import EXPORT
from support.training.small import small_recipe

pytestmark = pytest.mark.slow  # whole runs

LINES = (
    "batch_size=14 instead of the recipe's 32, for 14 training images.",
    "warmup_steps=2 instead of the recipe's 10, for a run of 20 steps.",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """18 images of two classes, of which 4 are held out to be tested on."""
    folder = tmp_path_factory.mktemp("photos")
    images = np.random.default_rng(0).integers(0, 256, (18, 16, 16, 3), np.uint8)
    for number, image in enumerate(images):
        path = folder / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


class BuildingError(Exception):
    """The model would be built now, and its weights be downloaded."""


def built(photos, folder, **arguments):
    """The recipe that a model would be built by."""
    with (
        mock.patch.object(
            preparation, "model_in_scope", side_effect=BuildingError
        ) as made,
        pytest.raises(BuildingError),
    ):
        keras_vit.train(
            arguments.pop("recipe", "finetune"),
            dataset=photos,
            folder=folder,
            **arguments,
        )
    return made.call_args.args[1]


def test_finetune_fits_18_images_before_a_model_is_built(photos, tmp_path, capsys):
    recipe = built(photos, tmp_path / "run")
    expected = {"dataset": str(photos), "batch_size": 14, "warmup_steps": 2}
    assert recipe == recipes.changed(recipes.get("finetune"), expected)
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if "instead of" in line] == [*LINES]
    assert not (tmp_path / "run").exists()


def test_what_the_user_set_is_left_and_refused(photos, tmp_path):
    recipe = built(photos, tmp_path / "run", warmup_steps=10)
    assert (recipe.run.batch_size, recipe.schedule.warmup_steps) == (14, 10)
    recipe = built(photos, tmp_path / "run", schedule=lambda step: 0.1)
    assert (recipe.run.batch_size, recipe.schedule.warmup_steps) == (14, 10)
    own = recipes.get("finetune")  # a Recipe is used as it is
    for arguments in ({"recipe": own}, {"batch_size": 32}):
        with pytest.raises(ValueError, match="the 14 training images.*batch_size=32"):
            built(photos, tmp_path / "run", **arguments)


def test_the_command_runs_on_18_images_and_resumes(
    photos, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    sizes = small_recipe().model.arguments
    keras_vit.ViT(image_size=16, num_classes=2, **sizes).save("tiny.keras")
    command = ["train", "--recipe=finetune", f"--dataset={photos}", "--strategy=one"]
    command += ["--model=tiny.keras", "--folder=run", "--set=patience=3"]
    with mock.patch(EXPORT, return_value=tmp_path / "savedmodels" / "run" / "1"):
        assert main(command) == 0
        told = capsys.readouterr().out
        assert all(line in told for line in LINES)
        assert "\nTest accuracy" in told
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        assert config["recipe"]["run"]["batch_size"] == 14
        assert config["recipe"]["schedule"]["warmup_steps"] == 2
        assert config["fitted_from"] == {"batch_size": 32, "warmup_steps": 10}
        history = (tmp_path / "run" / "history.csv").read_text()
        assert main(command) == 0  # the same arguments are the same run
        assert main([*command, "--set=batch_size=14", "--set=warmup_steps=2"]) == 0
        assert (tmp_path / "run" / "history.csv").read_text() == history
    capsys.readouterr()
    assert main([*command, "--set=batch_size=14"]) == 2
    assert "warmup_steps: 2 and 10" in capsys.readouterr().err
    assert main([*command, "--set=batch_size=32"]) == 2
    assert "batch_size: 14 and 32" in capsys.readouterr().err
