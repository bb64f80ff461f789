"""The size of the images that a run trains at, which may not be its model's."""

import json
import logging

import keras
import numpy as np
import pytest
import scipy.ndimage

import keras_vit
from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.model_files import image_size_of
from keras_vit.training import read_config
from keras_vit.training.arguments import TrainArguments
from keras_vit.training.config import RunConfig
from keras_vit.training.model import build_model
from support.models import randomize, tiny_vit
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

STILL = small_recipe(steps=1, warmup_steps=0, base_lr=0.0)
NAMES = small_dataset().class_names


def pretrained(**options):
    model = tiny_vit(**{"image_size": 16, "num_classes": 2} | options)
    randomize(model, np.random.default_rng(0))
    keras_vit.meaning.set_meaning(model, class_names=NAMES)
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The path of a model of 16 x 16 pixels, a grid of 2 x 2."""
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    pretrained().save(path)
    return path


def train(model, folder, **settings):
    return keras_vit.train(
        STILL,
        model=model,
        dataset=small_dataset(),
        folder=folder / "run",
        export=False,
        verbose=2,
        **settings,
    )


def size_in(arguments, recipe=STILL, **settings):
    """The image size of the recipe that a run would have."""
    return RunConfig.of(recipe, arguments, settings).recipe.model.image_size


def test_a_run_of_another_image_size_resizes_the_positions(saved, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "keras_vit"):
        run = train(saved, tmp_path, image_size=32)
    assert run.model.input_shape == (None, 32, 32, 3)
    before = {one.path: one.numpy() for one in keras.models.load_model(saved).weights}
    for weight in run.model.weights:
        expected = before[weight.path]
        if "position_embedding" in weight.path:  # bilinear: section 3.2 of the paper
            token, grid = expected[0, :1], expected[0, 1:].reshape(2, 2, -1)
            grid = scipy.ndimage.zoom(grid, (2, 2, 1), order=1).reshape(16, -1)
            expected = np.concatenate([token, grid])[np.newaxis]
        np.testing.assert_allclose(weight.numpy(), expected, atol=1e-6)
    config = json.loads((run.folder / "config.json").read_text())
    assert config["recipe"]["model"]["image_size"] == 32
    assert config["model"]["input_shape"] == [None, 32, 32, 3]
    assert "Images     32 x 32 pixels" in caplog.messages
    assert "Resizing the model from 16 x 16 to 32 x 32 pixels." in caplog.messages


def test_a_copy_of_a_classifier_is_resized(tmp_path):
    model = pretrained()
    run = train(Classifier.of(model), tmp_path, image_size=24)
    assert run.model.input_shape == (None, 24, 24, 3)
    assert model.input_shape == (None, 16, 16, 3)


def test_a_run_tells_the_size_of_a_model_that_has_its_own(tmp_path):
    wide = pretrained(image_size=(16, 24))
    run = train(wide, tmp_path, train_split="train[:50%]", image_size=None)
    config = json.loads((run.folder / "config.json").read_text())
    assert config["recipe"]["model"]["image_size"] is None  # which is one number
    assert config["model"]["input_shape"] == [None, 16, 24, 3]


def test_the_size_is_that_which_is_trained_whoever_made_the_model(saved):
    at_224 = recipes.changed(STILL, {"image_size": 224})
    without = recipes.changed(STILL, {"image_size": None})
    for source in (str(saved), pretrained(), Classifier.of(saved)):
        arguments = TrainArguments.of(source)
        assert size_in(arguments, without) == size_in(arguments, STILL) == 16
        assert size_in(arguments, at_224, image_size=None) == 16
        assert size_in(arguments, "fashion_mnist") == 16  # whose 28 is for its model
        if not isinstance(source, keras.Model):
            assert size_in(arguments, at_224) == 224
    assert size_in(TrainArguments.of(str(saved)), image_size=48) == 48
    assert size_in(TrainArguments.of()) == 16
    assert size_in(TrainArguments.of("ViT_Ti16"), at_224) == 224
    plain = recipes.Recipe.of("fashion_mnist_sample", "ViT_Ti16")
    assert size_in(TrainArguments.of(), plain) == 224
    assert size_in(TrainArguments.of(), recipes.Recipe.of("a", str(saved))) == 16


@pytest.mark.parametrize("size", [12, 24])
def test_a_model_that_is_trained_itself_is_not_resized(size):
    model = pretrained()
    message = "image_size must be that of .* of 16 x 16"
    with pytest.raises(ValueError, match=message):
        size_in(TrainArguments.of(model), image_size=size)
    with pytest.raises(ValueError, match=message):
        size_in(TrainArguments.of(model), recipes.changed(STILL, {"image_size": size}))
    assert size_in(TrainArguments.of(model), image_size=16) == 16


def test_a_named_recipes_size_that_is_not_used_is_told(saved, caplog):
    with caplog.at_level(logging.INFO, "keras_vit"):
        size_in(TrainArguments.of(str(saved)), "fashion_mnist", image_size=32)
        assert not caplog.messages
        size_in(TrainArguments.of(str(saved)), "fashion_mnist")
    [line] = caplog.messages
    assert line.startswith("The model is trained at its own 16 x 16 pixels;")
    assert "image_size=28" in line


def test_a_model_that_serves_one_size_alone_is_refused(tmp_path):
    layers = keras.layers.Flatten(), keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((16, 16, 3)), *layers], name="flat")
    model.save(tmp_path / "flat.keras")
    settings = recipes.ModelSettings(str(tmp_path / "flat.keras"), image_size=24)
    with pytest.raises(ValueError, match=r"'flat', whose weight .* \(768, 2\) would"):
        build_model(settings, 2, NAMES)
    assert build_model(
        recipes.ModelSettings(str(tmp_path / "flat.keras")), 2, NAMES
    ).input_shape == (None, 16, 16, 3)


def test_a_size_below_a_patch_is_refused(saved):
    settings = recipes.ModelSettings(str(saved), image_size=4)
    with pytest.raises(ValueError, match="image_size must be at least one patch"):
        build_model(settings, 2, NAMES)


def test_a_run_of_an_earlier_version_is_resumed_and_repeated_at_its_size(
    saved, tmp_path
):
    run = train(saved, tmp_path)
    path = run.folder / "config.json"
    config = json.loads(path.read_text())
    assert config["recipe"]["model"]["image_size"] == 16
    config["recipe"]["model"]["image_size"] = 224  # which it wrote, and was not true
    path.write_text(json.dumps(config | {"given_in_python": []}))
    recipe, _ = read_config(path)
    assert recipe.model.image_size == 16
    train(saved, tmp_path)  # not refused as another run
    with pytest.raises(ValueError, match="image_size: 16 and 24"):
        train(saved, tmp_path, image_size=24)


def test_the_size_of_a_saved_model_is_read_without_loading_it(saved, tmp_path):
    assert image_size_of(saved) == image_size_of(saved.parent) == (16, 16)
    pretrained(image_size=(16, 24)).save(tmp_path / "wide.keras")
    assert image_size_of(tmp_path / "wide.keras") == (16, 24)
    layers = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)
    keras.Sequential([keras.Input((20, 8, 3)), *layers]).save(tmp_path / "more.keras")
    assert image_size_of(tmp_path / "more.keras") == (20, 8)


def test_the_size_of_what_is_no_saved_model_is_unknown(tmp_path):
    (tmp_path / "text.keras").write_text("no model")
    for name in ("text.keras", "absent.keras", "."):
        assert image_size_of(tmp_path / name) == (None, None)
