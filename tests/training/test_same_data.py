"""A run is resumed on the data it began with, and read again as it was read."""

import dataclasses
import json
import logging

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import recipes
from keras_vit.cli.main import main
from keras_vit.decoding import Decoding
from keras_vit.meaning import meaning_of
from keras_vit.training.arguments import TrainArguments
from keras_vit.training.artifacts.folder import RunFolder
from keras_vit.training.artifacts.opening import open_run_folder
from keras_vit.training.config import RunConfig
from support.training.small import small_dataset, small_recipe

RECIPE = small_recipe(steps=2, evaluate_every=1, warmup_steps=0)


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(dataset, **settings):
    return keras_vit.train(
        RECIPE, dataset=dataset, folder="run", export=False, **settings
    )


def changed_test_split(dataset):
    """Another image and its label more, and the same images to train on."""
    labels = dataset.test.labels.copy()
    labels[0] = 1 - labels[0]
    split = keras_vit.data.Split(dataset.test.images, labels)
    return dataclasses.replace(dataset, test=split)


@pytest.mark.slow
def test_a_run_is_not_resumed_on_another_test_split(there):
    dataset = small_dataset()
    trained(dataset)
    history = (there / "run" / "history.csv").read_bytes()
    with pytest.raises(ValueError, match="must be evaluated on the images") as error:
        trained(changed_test_split(dataset))
    assert "--model=run --folder=NEW" in str(error.value)
    assert "\n" not in str(error.value)
    assert (there / "run" / "history.csv").read_bytes() == history
    # As an earlier version left it: nothing says which images those were.
    config = json.loads((there / "run" / "config.json").read_text())
    for key in ("eval_fingerprint", "eval_images"):
        del config["dataset"][key]
    config["recipe"] = recipes.as_flat(recipes.from_json(config["recipe"]))
    for name in ("dataset_options", "task"):
        del config["recipe"][name]
    (there / "run" / "config.json").write_text(json.dumps(config))
    trained(dataset)
    config = json.loads((there / "run" / "config.json").read_text())
    assert config["dataset"]["eval_fingerprint"] == dataset.test.fingerprint()


def config_of(recipe):
    return RunConfig.of(recipe, TrainArguments.of(), {})


def left(folder, recipe, finished):
    """The folder of a run as far as a second one looks at it."""
    folder.mkdir(parents=True)
    config = {"recipe": recipes.as_json(recipe), "seed": 0, "given_in_python": []}
    (folder / "config.json").write_text(json.dumps(config))
    if finished:
        (folder / "finished.json").write_text('{"steps": 12}')
        (folder / "model.keras").touch()


@pytest.mark.parametrize("changes", [{"epochs": 13}, {"steps": 9}])
def test_a_finished_run_says_how_it_is_trained_further(there, caplog, changes):
    caplog.set_level(logging.INFO, "keras_vit")
    recipe = small_recipe()
    longer = recipes.changed(recipe, changes)
    left(there / "runs" / "name", recipe, finished=True)
    further = "--model=runs/name"
    with pytest.raises(ValueError, match=f"finished.*{further} --folder=NEW"):
        open_run_folder("runs/name", "name", config_of(longer))
    assert open_run_folder(None, "name", config_of(longer)).path.name == "name-2"
    assert further in caplog.text
    caplog.clear()
    other = recipes.changed(longer, {"base_lr": 0.5})
    with pytest.raises(ValueError, match="holds another run"):
        open_run_folder("runs/name", "name", config_of(other))
    assert open_run_folder(None, "name", config_of(other)).path.name == "name-2"
    assert not caplog.messages


def test_a_run_of_an_earlier_version_lacks_settings_and_is_resumed(there):
    recipe = small_recipe()
    left(there / "run", recipe, finished=False)
    config = json.loads((there / "run" / "config.json").read_text())
    config["recipe"] = recipes.as_flat(recipe)
    for name in ("dataset_options", "task", "ema"):
        del config["recipe"][name]
    (there / "run" / "config.json").write_text(json.dumps(config))
    assert open_run_folder("run", "run", config_of(recipe)).path.name == "run"
    with pytest.raises(ValueError, match="ema: None and 0.5"):
        open_run_folder("run", "run", config_of(recipes.changed(recipe, {"ema": 0.5})))


def test_commands_read_the_data_set_of_a_run_as_the_run_did(there, monkeypatch):
    seen = []

    def load(name, **arguments):
        seen.append((name, arguments["exif_orientation"]))
        raise ValueError("seen")

    options = {"exif_orientation": False}
    recipe = small_recipe(dataset="pets.zip", dataset_options=options)
    left(there / "run", recipe, finished=True)
    monkeypatch.setattr("keras_vit.data.load", load)
    monkeypatch.setattr("keras_vit.classifier.Classifier.of", lambda *_, **__: _Model)
    (there / "pets.zip").touch()  # the command looks whether it is there
    for flags in ([], ["--dataset=pets.zip"], ["--exif_orientation"]):
        assert main(["evaluate", "--model=run", *flags]) == 2
    assert seen == [("pets.zip", False), ("pets.zip", False), ("pets.zip", True)]


class _Model:
    model = class_names = None
    decoding = Decoding()


@pytest.mark.slow
def test_how_data_are_read_is_a_part_of_the_run(there):
    for split in ("train", "test"):
        for name in ("a", "b"):
            folder = there / "pets" / split / name
            folder.mkdir(parents=True)
            for number in range(5):
                Image.new("RGB", (8, 8)).save(folder / f"{number}.png")
    run = trained("pets", exif_orientation=False, batch_size=5)
    recipe, _ = keras_vit.training.read_config(run.folder / "config.json")
    assert recipe.data.options == {"exif_orientation": False}
    with pytest.raises(ValueError, match="holds another run.*dataset_options"):
        trained("pets", batch_size=5)
    again = keras_vit.train(recipe, folder="run", export=False)  # as --config does
    assert again.history == run.history
    with pytest.raises(ValueError, match="exif_orientation must go with"):
        trained(small_dataset(), exif_orientation=False)


@pytest.mark.parametrize("several", [False, True])
def test_one_class_is_refused_before_training(there, several):
    dataset = small_dataset()
    labels = {s: np.zeros(len(one), int) for s, one in dataset.splits().items()}
    if several:
        labels = {split: np.eye(2, dtype=int)[one] for split, one in labels.items()}
    splits = {
        split: keras_vit.data.Split(one.images, labels[split])
        for split, one in dataset.splits().items()
    }
    with pytest.raises(ValueError, match="50 training images all show 'left half'"):
        trained(dataclasses.replace(dataset, **splits))
    assert not (there / "run").exists()


def test_commands_hand_on_how_tables_and_groups_are_read(there, monkeypatch):
    seen = []

    def load(name, **arguments):
        seen.append(arguments)
        raise ValueError("seen")

    monkeypatch.setattr("keras_vit.data.load", load)
    given = {
        "group": "Patient ID",
        "fold": 0,
        "image_column": "id",
        "label_column": "a,b",
        "suffix": ".png",
    }
    flags = [f"--{name}={value}" for name, value in given.items()]
    (there / "t.csv").touch()  # the command looks whether it is there
    assert main(["inspect-data", "--dataset=t.csv", *flags]) == 2
    assert given.items() <= seen[0].items()
    recipe = small_recipe(dataset="t.csv", dataset_options=given)
    left(there / "run", recipe, finished=True)
    monkeypatch.setattr("keras_vit.classifier.Classifier.of", lambda *_, **__: _Model)
    assert main(["evaluate", "--model=run"]) == 2
    assert given.items() <= seen[1].items()


@pytest.mark.slow
def test_a_run_keeps_the_range_of_samples_that_it_began_with(there):
    """Of 12 bits; on resuming as much as in the model, whatever has come since."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for number in range(20):
            path = there / "set" / part / f"class_{number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            samples = rng.integers(0, 4096, (16, 16)).astype(np.uint16)
            Image.fromarray(samples).save(path)
    run = trained("set", image_size=16)
    assert meaning_of(run.model).decoding.pixel_range == (0, 4095)
    config = json.loads((there / "run" / "config.json").read_text())
    assert config["dataset"]["decoding"]["pixel_range"] == "0:4095"
    assert RunFolder("run").pixel_range() == {"pixel_range": "0:4095"}
    assert RunFolder("other").pixel_range() == {}
    images = run_images(there / "set" / "test")
    expected = [np.floor(one * (255 / 4095) + 0.5) for one in images]
    dataset = keras_vit.data.load("set", **RunFolder("run").pixel_range())
    for number, pixels in enumerate(expected):
        np.testing.assert_allclose(dataset.test.image(number)[..., 0], pixels, atol=1)


def run_images(folder):
    """Samples as Pillow has them, by class and then by name."""
    return [np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))]
