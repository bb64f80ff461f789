import dataclasses
import json

import keras
import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.data.augmentation import CROPS
from keras_vit.training.building import build_model
from keras_vit.training.losses import LOSSES
from keras_vit.training.objectives import DISTILLATIONS
from keras_vit.training.optimizers import WEIGHT_DECAY_SCALINGS
from keras_vit.training.patch_targets import TARGETS
from keras_vit.training.schedules import DECAYS


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_builds_its_model(name):
    """Without the memory of the large ones, and without downloading weights."""
    recipe = dataclasses.replace(recipes.get(name), weights=None, head_bias=0.0)
    with keras.StatelessScope(initialize_variables=False):
        model = build_model(recipe, num_classes=10)
    assert model.input_shape == (None, recipe.image_size, recipe.image_size, 3)
    assert model.output_shape == (None, 10)


def test_every_recipe_begins_from_weights_that_are_published():
    wrong = []
    for name in recipes.RECIPES:
        recipe = recipes.get(name)
        published = {row.name for row in keras_vit.list_weights(recipe.model)}
        if recipe.weights and recipe.weights not in published:
            wrong.append(f"{name}: {recipe.weights} is none of {recipe.model}")
    assert not wrong, "\n".join(wrong)


def test_the_words_of_settings_are_those_of_the_tables_behind_them():
    assert recipes.recipe.CHOICES["decay"] == (*DECAYS,)
    assert recipes.recipe.CHOICES["weight_decay_scaling"] == WEIGHT_DECAY_SCALINGS
    assert recipes.recipe.CHOICES["loss"] == (*LOSSES,)
    assert recipes.recipe.CHOICES["distillation"] == ("none", *DISTILLATIONS)
    assert recipes.recipe.CHOICES["crop"] == CROPS
    assert recipes.recipe.CHOICES["masked_patches"] == ("none", *TARGETS)


# Table 4 and section B.1.1 of the ViT paper, and the authors' code.
@pytest.mark.parametrize(
    ("name", "steps", "dev"),
    [
        ("imagenet2012", 20_000, 99),
        ("cifar10", 10_000, 98),
        ("cifar100", 10_000, 98),
        ("oxford_iiit_pet", 500, 90),
        ("oxford_flowers102", 500, 90),
    ],
)
def test_fine_tuning_is_that_of_the_paper(name, steps, dev):
    recipe = recipes.get(f"paper/finetune_{name}")
    assert (recipe.steps, recipe.batch_size, recipe.image_size) == (steps, 512, 384)
    assert (recipe.optimizer, recipe.momentum, recipe.decay) == ("sgd", 0.9, "cosine")
    assert (recipe.weight_decay, recipe.clip_norm, recipe.ema) == (0, 1, 0)
    assert (recipe.train_split, recipe.eval_split) == ("train", "test")
    tried = recipes.get(f"paper/finetune_{name}_dev")
    assert tried.train_split == f"train[:{dev}%]"
    assert tried.eval_split == f"train[{dev}%:]"


# Table 3 of the ViT paper, and its sections 4.1 and B.1.
@pytest.mark.parametrize(
    ("source", "models", "epochs", "rate", "decay", "weight_decay", "dropout"),
    [
        ("jft", "vit_b32 vit_b16", 7, 8e-4, "linear", 0.1, 0.0),
        ("jft", "vit_l32", 7, 6e-4, "linear", 0.1, 0.0),
        ("jft", "vit_l16", 14, 4e-4, "linear", 0.1, 0.0),
        ("jft", "vit_h14", 14, 3e-4, "linear", 0.1, 0.0),
        ("jft", "r50_vit_b32 r50_vit_b16", 7, 8e-4, "linear", 0.1, 0.0),
        ("jft", "r50_vit_l32", 7, 2e-4, "linear", 0.1, 0.0),
        ("jft", "r50_vit_l16", 7, 4e-4, "linear", 0.1, 0.0),
        ("imagenet21k", "vit_b32 vit_b16", 90, 1e-3, "linear", 0.03, 0.1),
        ("imagenet21k", "vit_l32 vit_l16", 90, 1e-3, "linear", 0.03, 0.1),
        ("imagenet2012", "vit_b32 vit_b16", 300, 3e-3, "cosine", 0.3, 0.1),
        ("imagenet2012", "vit_l32 vit_l16", 300, 3e-3, "cosine", 0.3, 0.1),
    ],
)
def test_pre_training_is_that_of_the_paper(
    source, models, epochs, rate, decay, weight_decay, dropout
):
    for model in models.split():
        recipe = recipes.get(f"paper/pretrain_{source}_{model}")
        assert (recipe.epochs, recipe.base_lr, recipe.decay) == (epochs, rate, decay)
        assert recipe.weight_decay == weight_decay
        assert recipe.model_arguments["dropout_rate"] == dropout
        assert (recipe.batch_size, recipe.image_size) == (4096, 224)
        assert (recipe.optimizer, recipe.momentum, recipe.beta2) == ("adam", 0.9, 0.999)
        assert recipe.warmup_steps == 10_000
        assert (recipe.clip_norm == 1) == (source == "imagenet2012")


# Section B.1.2 of the ViT paper.
@pytest.mark.parametrize(
    ("name", "steps"), [("jft", 1_000_000), ("imagenet2012", 100_000)]
)
def test_masked_patch_prediction_is_that_of_the_paper(name, steps):
    recipe = recipes.get(f"paper/masked_patches_{name}_vit_b16")
    assert (recipe.model, recipe.image_size) == ("ViT_B16", 224)
    assert (recipe.total_steps(1), recipe.batch_size) == (steps, 4096)
    assert (recipe.optimizer, recipe.base_lr) == ("adam", 2e-4)
    assert (recipe.warmup_steps, recipe.decay) == (10_000, "cosine")
    assert recipe.masked_patches == "mean_color"


def test_settings_of_labels_are_refused_where_none_are_learnt():
    recipe = recipes.get("fashion_mnist_masked")
    for setting in ("mixup=0.2", "cutmix=1", "label_smoothing=0.1", "head_bias=-10"):
        name = setting.partition("=")[0]
        with pytest.raises(ValueError, match=f"so without {name}. Received: masked"):
            recipes.override(recipe, [setting])
    with pytest.raises(ValueError, match="so without distillation"):
        recipes.override(recipe, ["distillation=soft"])


def test_settings_of_every_kind_are_read():
    changed = recipes.override(
        recipes.get("fashion_mnist"),
        ["freeze=stem,block_0*", "lr_multipliers=head/*:10,norm/*:2", "optimizer=sgd"],
    )
    assert changed.freeze == ("stem", "block_0*")
    assert changed.lr_multipliers == {"head/*": 10.0, "norm/*": 2.0}
    assert changed.optimizer == "sgd"


def test_a_recipe_survives_json():
    for recipe in recipes.RECIPES.values():
        again = recipes.Recipe(**json.loads(json.dumps(dataclasses.asdict(recipe))))
        assert again == recipe


def test_a_difference_names_both_values():
    one = recipes.get("fashion_mnist")
    other = dataclasses.replace(one, epochs=3)
    one, other = recipes.as_json(one), recipes.as_json(other)
    assert recipes.difference(one, one) == []
    assert recipes.difference(one, other) == ["epochs: 10 and 3"]


def test_epochs_put_steps_out_of_force():
    recipe = recipes.get("paper/finetune_cifar10")
    assert recipe.total_steps(50_000) == 10_000
    assert recipes.override(recipe, ["epochs=3"]).total_steps(51_200) == 300
    assert recipes.override(recipe, ["epochs=3", "steps=7"]).total_steps(51_200) == 7


def test_another_size_keeps_what_is_not_of_the_size():
    recipe = recipes.with_model(recipes.get("paper/finetune_cifar10"), "ViT_L16")
    assert (recipe.model, recipe.weights) == ("ViT_L16", "in21k")
    name = "paper/pretrain_imagenet2012_vit_b16"
    recipe = recipes.with_model(recipes.get(name), "ViT_S16")
    assert recipe.model_arguments == {"representation_size": 384, "dropout_rate": 0.1}
    recipe = recipes.with_model(recipes.get("fashion_mnist"), "ViT_Ti16")
    assert (recipe.model_arguments, recipe.stem_blocks) == ({}, None)


def test_a_setting_takes_the_place_of_the_recipes_own():
    recipe = recipes.get("fashion_mnist")
    changed = recipes.override(recipe, ["epochs=3", "base_lr=1e-4", "flip=true"])
    assert (changed.epochs, changed.base_lr, changed.flip) == (3, 1e-4, True)
    same = {"epochs": recipe.epochs, "base_lr": recipe.base_lr, "flip": recipe.flip}
    assert dataclasses.replace(changed, **same) == recipe


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "one of stem_width_factor.*'epoch'. Did you mean 'epochs'"),
        ("epochs", "Expected key=value"),
        ("model=ViT_B16", "Unknown setting of a recipe"),
        ("epochs=many", "epochs must be a whole number. Received: 'epochs=many'"),
        ("epochs=0", "epochs must be at least 1. Received: epochs=0"),
        ("base_lr=-1", "base_lr must not be negative. Received: base_lr=-1.0"),
        ("base_lr=nan", "base_lr must not be negative. Received: base_lr=nan"),
        ("clip_norm=0", "clip_norm must be above 0"),
        ("label_smoothing=1", r"label_smoothing must lie in \[0, 1\)"),
        ("flip=maybe", "flip must be true or false"),
        ("optimizer=lion", "optimizer must be one of sgd, adam.*'lion'"),
        ("lr_multipliers=head", "lr_multipliers must be pattern:factor"),
        ("crop=none", "crop_padding goes with crop=pad. Received: crop=none"),
        ("ema=1", r"ema must lie in \[0, 1\)"),
        ("layer_decay=0", r"layer_decay must lie in \(0, 1\]"),
        ("model_arguments={}", "Unknown setting of a recipe"),
        ("evaluation_preprocessing=x", "Unknown preprocessing. Expected one of vit_j"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting, message):
    with pytest.raises(ValueError, match=message):
        recipes.override(recipes.get("fashion_mnist"), [setting])


def test_an_unknown_recipe_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="one of fashion_mnist.*'x'"):
        recipes.get("x")


OLD_NAMES = [
    ("most_unreadable", "max_unreadable_fraction", "0.2", 0.2),
    ("least_confidence", "min_confidence", "0.5", 0.5),
    ("rate_factors", "lr_multipliers", "head/*:10", {"head/*": 10.0}),
    ("micro_batches", "accumulation_steps", "2", 2),
    ("distillation_share", "distillation_alpha", "0.9", 0.9),
    ("decay_follows", "weight_decay_scaling", "schedule", "schedule"),
]


@pytest.mark.parametrize(("old", "new", "text", "value"), OLD_NAMES)
def test_the_old_name_of_a_setting_is_taken_with_a_warning(old, new, text, value):
    recipe = recipes.get("fashion_mnist")
    expected = dataclasses.replace(recipe, **{new: value})
    assert expected != recipe
    warned = pytest.warns(DeprecationWarning, match=f"{old} is called {new} now")
    with warned as caught:
        assert recipes.override(recipe, [f"{old}={text}"]) == expected
        assert recipes.changed(recipe, {old: value}) == expected
        assert recipes.Recipe("a", "b", **{old: value}) == recipes.Recipe(
            "a", "b", **{new: value}
        )
        assert getattr(expected, old) == value
    assert len(caught) == 4
    assert {one.filename for one in caught[2:]} == {__file__}  # whose line is to change


def test_a_recipe_of_an_earlier_version_is_read_in_silence(recwarn):
    recipe = recipes.get("augreg/imagenet2012_light1")
    stored = recipes.as_json(recipe)
    for old, new, _, _ in OLD_NAMES:
        stored[old] = stored.pop(new)
    assert recipes.from_json(stored) == recipe
    assert not recwarn.list


def test_both_names_of_a_setting_are_refused():
    with pytest.raises(TypeError, match="accumulation_steps and its old name micro_b"):
        recipes.changed(
            recipes.get("fashion_mnist"), {"micro_batches": 2, "accumulation_steps": 2}
        )


def test_a_recipe_has_no_attributes_but_its_settings():
    with pytest.raises(AttributeError, match="no setting 'colour'"):
        recipes.get("fashion_mnist").colour  # noqa: B018
