import dataclasses

import pytest

from keras_vit import recipes
from keras_vit.data.sources import SOURCES
from keras_vit.training.run import build_model


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_builds_its_model_on_its_data_set(name):
    recipe = recipes.get(name)
    assert recipe.dataset in SOURCES
    model = build_model(recipe, num_classes=10)
    assert model.input_shape == (None, recipe.image_size, recipe.image_size, 3)


def test_a_setting_takes_the_place_of_the_recipes_own():
    recipe = recipes.get("fashion_mnist")
    changed = recipes.override(recipe, ["epochs=3", "base_lr=1e-4", "flip=true"])
    assert (changed.epochs, changed.base_lr, changed.flip) == (3, 1e-4, True)
    same = {"epochs": recipe.epochs, "base_lr": recipe.base_lr, "flip": recipe.flip}
    assert dataclasses.replace(changed, **same) == recipe


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "one of stem_width_factor, image_size.*Received: 'epoch=3'"),
        ("epochs", "Expected key=value"),
        ("model=ViT_B16", "Expected key=value"),
        ("epochs=many", "epochs must be of type int. Received: 'epochs=many'"),
        ("epochs=0", "epochs must be at least 1. Received: epochs=0"),
        ("base_lr=-1", "base_lr must not be negative. Received: base_lr=-1.0"),
        ("base_lr=nan", "base_lr must not be negative. Received: base_lr=nan"),
        ("clip_norm=0", "clip_norm must be above 0"),
        ("label_smoothing=1", r"label_smoothing must lie in \[0, 1\)"),
        ("flip=maybe", "flip must be of type bool"),
        ("model_arguments={}", "Expected key=value"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting, message):
    with pytest.raises(ValueError, match=message):
        recipes.override(recipes.get("fashion_mnist"), [setting])


def test_an_unknown_recipe_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="one of fashion_mnist.*'x'"):
        recipes.get("x")
