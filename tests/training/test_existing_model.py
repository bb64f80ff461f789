"""What a model that exists has by itself goes before what a recipe sets."""

import json

import keras
import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.model_files import saved_arguments, saved_precision
from keras_vit.training.arguments import TrainArguments
from keras_vit.training.config import RunConfig
from support.models import tiny_vit
from support.training.small import small_dataset, small_recipe

RECIPE = small_recipe(steps=1, warmup_steps=0)


def vit(precision="float32", **options):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return tiny_vit(**{"image_size": 16, "num_classes": 2, **options})
    finally:
        keras.config.set_dtype_policy(before)


def resolved(model, recipe=RECIPE, **changes):
    """The settings of the model, of a run on it by a recipe of the user's own."""
    recipe = recipe if isinstance(recipe, str) else recipes.changed(recipe, changes)
    return RunConfig.of(recipe, TrainArguments.of(model), {}).recipe.model


def saved(model, folder):
    model.save(folder / "model.keras")
    return str(folder)


def train(model, folder):
    return keras_vit.train(
        RECIPE,
        model=model,
        dataset=small_dataset(),
        folder=folder / "run",
        export=False,
        verbose=0,
    )


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_precision_is_the_models_own_however_it_comes(precision, tmp_path):
    model = vit(precision)
    path = saved(model, tmp_path)
    assert saved_precision(path) == precision
    for source in (model, Classifier.of(model), path):
        assert resolved(source).precision == precision
        assert resolved(source, "fashion_mnist").precision == precision
        assert resolved(source, precision=precision).precision == precision
    itself = recipes.Recipe.of("photos", path)
    arguments = TrainArguments.of()
    assert RunConfig.of(itself, arguments, {}).recipe.model.precision == precision


def test_a_policy_that_no_recipe_has_a_word_for_is_left_out():
    assert resolved(vit("bfloat16")).precision == "float32"


@pytest.mark.slow
def test_a_run_notes_its_precision_and_resumes_also_where_none_was_noted(tmp_path):
    model = Classifier.of(vit("mixed_bfloat16"))
    path = train(model, tmp_path).folder / "config.json"
    config = json.loads(path.read_text())
    assert config["model"]["precision"] == "mixed_bfloat16"
    assert config["recipe"]["model"]["precision"] == "mixed_bfloat16"
    train(model, tmp_path)  # not refused as another run
    del config["model"]["precision"]  # as an earlier version wrote it
    config["recipe"]["model"]["precision"] = "float32"
    path.write_text(json.dumps(config))
    train(model, tmp_path)
    with pytest.raises(ValueError, match="precision: 'mixed_bfloat16' and 'float32'"):
        train(Classifier.of(vit()), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "mixed_bfloat16"},
        {"head_bias": -10.0},
        {"patch_size": 4},
        {"position_embedding": "sincos2d"},
        {"patch_dropout_rate": 0.5},
    ],
)
def test_a_recipe_of_the_users_own_must_not_say_otherwise(changes, tmp_path):
    model = vit()
    [(name, _)] = changes.items()
    message = f"^{name} must go with a model that the recipe builds. .*{name}="
    for source in (model, Classifier.of(model), saved(model, tmp_path)):
        with pytest.raises(ValueError, match=message):
            resolved(source, **changes)


def test_a_recipe_may_say_what_the_model_has(tmp_path):
    model = vit(patch_size=8, position_embedding="learned", patch_dropout_rate=0.25)
    path = saved(model, tmp_path)
    assert saved_arguments(path)["patch_dropout_rate"] == 0.25
    same = {"patch_size": 8, "position_embedding": "learned"}
    for source in (model, path):
        assert resolved(source, **same, patch_dropout_rate=0.25).patch_size == 8


def test_nothing_is_known_of_a_model_that_is_not_there_yet(tmp_path):
    absent = str(tmp_path / "absent")
    assert saved_precision(absent) is None
    assert saved_arguments(absent) == {}
    assert resolved(absent, precision="mixed_bfloat16").precision == "mixed_bfloat16"
