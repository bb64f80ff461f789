"""What a run would do, shown without training."""

import dataclasses
import logging

import numpy as np
import pytest
import yaml
from PIL import Image

import keras_vit
from keras_vit import recipes
from keras_vit.cli.main import main
from keras_vit.inspect import summary
from keras_vit.meaning import meaning_of
from keras_vit.training import dry_run, read_config
from support.models import tiny_vit
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

RECIPE = small_recipe(steps=2, warmup_steps=0, ema=0.9, accumulation_steps=2)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def planned(recipe=RECIPE, **arguments):
    arguments = {"dataset": small_dataset(), "verbose": 0} | arguments
    return dry_run(recipe, **arguments)


def test_a_dry_run_shows_everything_and_leaves_the_run_to_be_begun(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "keras_vit"):
        dry = planned(folder="mine", seed=3, verbose=2)
    assert "\n".join(caplog.messages) == str(dry.header)
    assert str(dry.header).splitlines()[-1] == "Folder     mine"
    assert dry.header.steps == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine-dry_run"]
    text = (tmp_path / "mine-dry_run" / "recipe.yaml").read_text()
    assert str(dry).startswith(text)
    assert str(dry.memory) in str(dry)
    assert yaml.safe_load(text)["seed"] == 3
    assert recipes.from_json(yaml.safe_load(text)["recipe"]) == dry.recipe
    with Image.open(dry.folder / "training_batch.png") as picture:
        assert picture.width > 300
    arguments = {"dataset": small_dataset(), "folder": "mine", "seed": 3}
    run = keras_vit.train(RECIPE, export=False, verbose=0, **arguments)
    assert run.history[-1]["steps"] == 2
    again = planned(folder="mine", seed=3)  # of a run that is finished
    assert again.memory == dry.memory


def test_what_a_dry_run_writes_is_a_recipe_of_the_command():
    dry = planned("fashion_mnist", dataset="fashion_mnist_sample", epochs=3, seed=5)
    path = dry.folder / "recipe.yaml"
    assert recipes.holds_a_run(path)
    recipe, seed = read_config(path)
    assert (recipe, seed) == (dry.recipe, 5)
    assert recipe.run.epochs == 3
    again = planned(recipe, dataset=None, seed=seed, folder="runs/again")
    assert again.recipe == dry.recipe


def test_a_recipe_with_data_of_python_is_repeated_there_alone():
    path = planned().folder / "recipe.yaml"
    with pytest.raises(ValueError, match="objects of Python as dataset"):
        read_config(path)


def test_the_memory_of_a_step_is_counted():
    dry = planned(optimizer="adam")
    count = dry.header.parameters
    memory = dry.memory
    assert memory.parameters == 4 * count
    assert memory.gradients == 8 * count  # of the parts, and their sum
    assert memory.optimizer == 8 * count  # two moments
    assert memory.average == 4 * count
    assert memory.images == 5
    exact = memory.parameters + memory.gradients + memory.optimizer + memory.average
    assert memory.total == exact + memory.activations


def test_less_is_held_of_what_is_frozen_or_has_fewer_bits():
    model = tiny_vit(image_size=16, num_classes=2)
    dry = planned(
        *(RECIPE,),
        model=model,
        optimizer="sgd",
        momentum_dtype="bfloat16",
        ema=None,
        accumulation_steps=1,
        freeze=("block_*",),
    )
    blocks = [one.count_params() for one in model.layers if "block" in one.name]
    trained = model.count_params() - sum(blocks)
    assert dry.header.trained == trained
    assert dry.memory.gradients == 4 * trained
    assert dry.memory.optimizer == 2 * trained
    assert dry.memory.average == 0
    assert dry.memory.activations == 10 * summary(model).activation_bytes
    half = planned(precision="mixed_bfloat16", accumulation_steps=1)
    whole = planned(accumulation_steps=1)
    assert 2 * half.memory.activations == whole.memory.activations
    assert half.memory.parameters == whole.memory.parameters
    assert half.header.precision == "mixed_bfloat16"


def test_a_model_that_is_passed_stays_as_it_is():
    model = tiny_vit(image_size=16, num_classes=2)
    keras_vit.meaning.set_meaning(model, class_names=("cat", "dog"))
    before = [weight.numpy() for weight in model.weights]
    dry = planned(model=model, lora_rank=2, remat=True)
    assert dry.header.trained < dry.header.parameters
    assert meaning_of(model).class_names == ("cat", "dog")
    assert len(model.trainable_weights) == len(model.weights) == len(before)
    assert not any(one.remat for one in model.layers if hasattr(one, "remat"))
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_a_dry_run_refuses_what_the_run_would(tmp_path):
    with pytest.raises(ValueError, match="batch_size must lie between 1 and the 50"):
        planned(batch_size=1000)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="holds other files"):
        planned(folder="full")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_the_command_shows_a_run(tmp_path, capsys):
    assert main(["train", "--dry_run", "--set", "epochs=2", "--folder=a"]) == 0
    out = capsys.readouterr().out
    assert "Training   374 steps of 64 images, 2 epochs\n" in out
    assert "\n    epochs: 2\n" in out
    assert "a-dry_run/training_batch.png" in out.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["a-dry_run"]
    arguments = ["--config=a-dry_run/recipe.yaml", "--set", "epochs=1", "--folder=b"]
    assert main(["train", "--dry_run", *arguments]) == 0
    assert "Training   187 steps of 64 images, 1 epoch\n" in capsys.readouterr().out


def test_the_fields_of_the_memory_are_summed():
    memory = planned().memory
    assert memory.total == sum(
        getattr(memory, one.name)
        for one in dataclasses.fields(memory)
        if one.name != "images"
    )
    unknown = dataclasses.replace(memory, activations=None)
    assert unknown.total == memory.total - memory.activations
    assert "activations are not counted" in str(unknown)
