import json

import keras
import pytest

import keras_vit
from keras_vit import recipes
from keras_vit.data.augmentation import CROPS
from keras_vit.training.losses import LOSSES
from keras_vit.training.model import build_model
from keras_vit.training.optimizers import RULES, WEIGHT_DECAY_SCALINGS
from keras_vit.training.schedules import DECAYS
from keras_vit.training.tasks.distillation import DISTILLATIONS
from keras_vit.training.tasks.patch_targets import TARGETS


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_builds_its_model(name):
    """Without the memory of the large ones, and without downloading weights."""
    recipe = recipes.changed(recipes.get(name), {"weights": None, "head_bias": 0.0})
    with keras.StatelessScope(initialize_variables=False):
        model = build_model(recipe.model, num_classes=10)
    assert model.input_shape == (
        None,
        recipe.model.image_size,
        recipe.model.image_size,
        3,
    )
    assert model.output_shape == (None, 10)


def test_every_recipe_begins_from_weights_that_are_published():
    wrong = []
    for name in recipes.RECIPES:
        recipe = recipes.get(name)
        published = {row.name for row in keras_vit.list_weights(recipe.model.name)}
        if recipe.model.weights and recipe.model.weights not in published:
            wrong.append(
                f"{name}: {recipe.model.weights} is none of {recipe.model.name}"
            )
    assert not wrong, "\n".join(wrong)


def test_the_words_of_settings_are_those_of_the_tables_behind_them():
    words = {name: kind.choices for name, kind in recipes.setting_kinds().items()}
    assert words["optimizer"] == (*RULES,)
    assert words["decay"] == (*DECAYS,)
    assert words["weight_decay_scaling"] == WEIGHT_DECAY_SCALINGS
    assert words["loss"] == (*LOSSES,)
    assert words["distillation"] == DISTILLATIONS
    assert ("none", *words["crop"]) == CROPS
    assert words["masked_patches"] == (*TARGETS,)


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
    assert (recipe.run.steps, recipe.run.batch_size, recipe.model.image_size) == (
        steps,
        512,
        384,
    )
    assert (
        recipe.optimizer.name,
        recipe.optimizer.momentum,
        recipe.schedule.decay,
    ) == ("sgd", 0.9, "cosine")
    assert (
        recipe.optimizer.weight_decay,
        recipe.optimizer.clip_norm,
        recipe.optimizer.ema,
    ) == (0, 1, None)
    assert (recipe.data.train_split, recipe.data.eval_split) == ("train", None)
    tried = recipes.get(f"paper/finetune_{name}_dev")
    assert tried.data.train_split == f"train[:{dev}%]"
    assert tried.data.eval_split == f"train[{dev}%:]"


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
        assert (recipe.run.epochs, recipe.schedule.base_lr, recipe.schedule.decay) == (
            epochs,
            rate,
            decay,
        )
        assert recipe.optimizer.weight_decay == weight_decay
        assert recipe.model.arguments["dropout_rate"] == dropout
        assert (recipe.run.batch_size, recipe.model.image_size) == (4096, 224)
        assert (
            recipe.optimizer.name,
            recipe.optimizer.momentum,
            recipe.optimizer.beta2,
        ) == ("adam", 0.9, 0.999)
        assert recipe.schedule.warmup_steps == 10_000
        assert (recipe.optimizer.clip_norm == 1) == (source == "imagenet2012")


# Section B.1.2 of the ViT paper.
@pytest.mark.parametrize(
    ("name", "steps"), [("jft", 1_000_000), ("imagenet2012", 100_000)]
)
def test_masked_patch_prediction_is_that_of_the_paper(name, steps):
    recipe = recipes.get(f"paper/masked_patches_{name}_vit_b16")
    assert (recipe.model.name, recipe.model.image_size) == ("ViT_B16", 224)
    assert (recipe.run.total_steps(1), recipe.run.batch_size) == (steps, 4096)
    assert (recipe.optimizer.name, recipe.schedule.base_lr) == ("adam", 2e-4)
    assert (recipe.schedule.warmup_steps, recipe.schedule.decay) == (10_000, "cosine")
    assert recipe.task.masked_patches == "mean_color"


def test_settings_of_labels_are_refused_where_none_are_learnt():
    recipe = recipes.get("fashion_mnist_masked")
    for setting in ("mixup=0.2", "cutmix=1", "label_smoothing=0.1", "head_bias=-10"):
        name = setting.partition("=")[0]
        with pytest.raises(ValueError, match=f"so without {name}. Received: masked"):
            recipes.override(recipe, [setting])
    with pytest.raises(ValueError, match="distillation and masked_patches"):
        recipes.override(recipe, ["distillation=soft"])


def test_class_weights_are_a_word_or_numbers_by_name():
    recipe = recipes.get("fashion_mnist")
    for text, value in (
        ("balanced", "balanced"),
        ("Shirt:2,Coat:1.5", {"Shirt": 2.0, "Coat": 1.5}),
        ("none", None),
    ):
        changed = recipes.override(recipe, [f"class_weights={text}"])
        assert changed.task.class_weights == value
        assert recipes.from_json(recipes.as_json(changed)) == changed
    with pytest.raises(ValueError, match="class_weights must be one of balanced, none"):
        recipes.changed(recipe, {"class_weights": "equal"})
    for text in ("equal", "cat:2,dog"):
        with pytest.raises(ValueError, match="must be balanced, or name:number"):
            recipes.override(recipe, [f"class_weights={text}"])
    with pytest.raises(TypeError, match="class_weights must be numbers by name"):
        recipes.changed(recipe, {"class_weights": {"cat": "2"}})
    with pytest.raises(ValueError, match="class_weights goes with classification"):
        recipes.override(recipe, ["class_weights=balanced", "distillation=soft"])


def test_none_is_off_but_where_it_is_a_value():
    recipe = recipes.get("paper/finetune_cifar10")
    changed = recipes.override(recipe, ["clip_norm=none", "position_embedding=none"])
    assert changed.optimizer.clip_norm is None
    assert changed.model.position_embedding == "none"
    assert recipes.changed(changed, {"position_embedding": ""}) == recipes.override(
        recipe, ["clip_norm=none"]
    )


def test_none_empties_what_holds_several():
    recipe = recipes.Recipe.of(
        "photos",
        "ViT_Ti16",
        augmentation=("keras_cv:AugMix",),
        freeze=("stem",),
        lr_multipliers={"head/*": 10.0},
    )
    plain = recipes.Recipe.of("photos", "ViT_Ti16")
    names = ("augmentation", "freeze", "lr_multipliers")
    assert recipes.override(recipe, [f"{name}=none" for name in names]) == plain
    for none in (None, "none", ""):
        assert recipes.changed(recipe, dict.fromkeys(names, none)) == plain


def test_settings_of_every_kind_are_read():
    changed = recipes.override(
        recipes.get("fashion_mnist"),
        ["freeze=stem,block_0*", "lr_multipliers=head/*:10,norm/*:2", "optimizer=sgd"],
    )
    assert changed.model.freeze == ("stem", "block_0*")
    assert changed.optimizer.lr_multipliers == {"head/*": 10.0, "norm/*": 2.0}
    assert changed.optimizer.name == "sgd"


def test_a_recipe_survives_json():
    for recipe in recipes.RECIPES.values():
        again = json.loads(json.dumps(recipes.as_json(recipe)))
        assert recipes.from_json(again) == recipe


def test_a_difference_names_both_values():
    one = recipes.get("fashion_mnist")
    other = recipes.changed(one, {"epochs": 3})
    assert recipes.difference(one, one) == []
    assert recipes.difference(one, other) == ["epochs: 10 and 3"]


def test_epochs_put_steps_out_of_force():
    recipe = recipes.get("paper/finetune_cifar10")
    assert recipe.run.total_steps(50_000) == 10_000
    assert recipes.override(recipe, ["epochs=3"]).run.total_steps(51_200) == 300
    assert (
        recipes.override(recipe, ["epochs=3", "steps=7"]).run.total_steps(51_200) == 7
    )


def test_another_size_keeps_what_is_not_of_the_size():
    recipe = recipes.with_model(recipes.get("paper/finetune_cifar10"), "ViT_L16")
    assert (recipe.model.name, recipe.model.weights) == ("ViT_L16", "in21k")
    name = "paper/pretrain_imagenet2012_vit_b16"
    recipe = recipes.with_model(recipes.get(name), "ViT_S16")
    assert recipe.model.arguments == {"representation_size": 384, "dropout_rate": 0.1}
    recipe = recipes.with_model(recipes.get("fashion_mnist"), "ViT_Ti16")
    assert (recipe.model.arguments, recipe.model.stem_blocks) == ({}, None)


def test_a_setting_takes_the_place_of_the_recipes_own():
    recipe = recipes.get("fashion_mnist")
    changed = recipes.override(recipe, ["epochs=3", "base_lr=1e-4", "flip=true"])
    assert (
        changed.run.epochs,
        changed.schedule.base_lr,
        changed.augmentation.flip,
    ) == (3, 1e-4, True)
    same = {
        "epochs": recipe.run.epochs,
        "base_lr": recipe.schedule.base_lr,
        "flip": recipe.augmentation.flip,
    }
    assert recipes.changed(changed, same) == recipe


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", "one of stem_blocks.*'epoch'. Did you mean 'epochs'"),
        ("epochs", "Expected key=value"),
        ("model=ViT_B16", "Unknown setting of a recipe"),
        ("epochs=many", "epochs must be a whole number. Received: 'epochs=many'"),
        ("epochs=0", "epochs must be at least 1. Received: epochs=0"),
        ("base_lr=-1", "base_lr must not be negative. Received: base_lr=-1.0"),
        ("base_lr=nan", "base_lr must not be negative. Received: base_lr=nan"),
        ("clip_norm=0", "clip_norm must be above 0"),
        ("label_smoothing=1", r"label_smoothing must lie in \[0, 1\)"),
        ("flip=maybe", "flip must be true or false"),
        ("optimizer=lion", "optimizer must be one of sgd, adam, adamw.*'lion'"),
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
    if new == "min_confidence":
        recipe = recipes.get("fashion_mnist_noisy_student")
    elif new == "distillation_alpha":
        recipe = recipes.changed(recipe, {"distillation": "soft"})
    expected = recipes.changed(recipe, {new: value})
    assert expected != recipe
    warned = pytest.warns(DeprecationWarning, match=f"{old} is called {new} now")
    with warned as caught:
        assert recipes.override(recipe, [f"{old}={text}"]) == expected
        assert recipes.changed(recipe, {old: value}) == expected
    assert len(caught) == 2
    assert caught[1].filename == __file__  # whose line is to change
    with pytest.warns(DeprecationWarning, match=rf"Recipe.{old} is called \w+\.{new}"):
        assert getattr(expected, old) == value


def test_a_recipe_of_an_earlier_version_is_read_in_silence(recwarn):
    """Each setting by its own name, those of all tasks, and four words for "off"."""
    recipe = recipes.get("augreg/imagenet2012_light1")
    stored = json.loads(json.dumps(recipes.as_flat(recipe)))
    del stored["task"]
    stored |= {
        "distillation": "none",
        "pseudo_labels": "none",
        "masked_patches": "none",
        "unlabelled_split": "",
        "teacher": None,
        "temperature": 1.0,
        "distillation_alpha": 0.5,
        "min_confidence": 0.3,
        "pseudo_per_class": 0,
        "mixup": 0.0,
        "cutmix": 0.0,
        "random_erasing": 0.0,
        "ema": 0.0,
        "patch_size": 0,
        "position_embedding": "",
        "lora_rank": 0,
        "lora_alpha": 0.0,
        "steps": 0,
        "evaluate_every": 0,
        "checkpoint_every": 0,
        "crop_padding": 0,
    }
    for old, new, _, _ in OLD_NAMES:
        stored[old] = stored.pop(new)
    assert recipes.from_json(stored) == recipe
    stored |= {"masked_patches": "pixels", "loss": "softmax", "head_bias": 0.0}
    assert recipes.from_json(stored).task.masked_patches == "pixels"
    stored |= {"clip_norm": float("inf"), "crop": "none"}
    off = recipes.from_json(stored)
    assert (off.optimizer.clip_norm, off.augmentation.crop) == (None, None)
    assert not recwarn.list


def test_both_names_of_a_setting_are_refused():
    with pytest.raises(TypeError, match="accumulation_steps and its old name micro_b"):
        recipes.changed(
            recipes.get("fashion_mnist"), {"micro_batches": 2, "accumulation_steps": 2}
        )


def test_a_recipe_has_no_attributes_but_its_settings():
    with pytest.raises(AttributeError, match="no setting 'colour'"):
        recipes.get("fashion_mnist").colour  # noqa: B018


def test_the_flat_way_to_make_a_recipe_goes_on_with_a_warning():
    expected = recipes.Recipe.of("photos", "ViT_S16", epochs=3, loss="sigmoid")
    for make in (
        lambda: recipes.Recipe("photos", "ViT_S16", epochs=3, loss="sigmoid"),
        lambda: recipes.Recipe(
            dataset="photos", model="ViT_S16", epochs=3, loss="sigmoid"
        ),
    ):
        with pytest.warns(DeprecationWarning, match=r"is called Recipe.of\(\) now"):
            assert make() == expected
    with pytest.warns(DeprecationWarning, match="Recipe.epochs is called run.epochs"):
        assert expected.epochs == 3


def test_a_setting_of_another_task_is_refused():
    recipe = recipes.get("fashion_mnist")
    for setting, message in (
        ("temperature=2", "temperature goes with distillation. Received"),
        ("unlabelled_split=test", "unlabelled_split goes with pseudo_labels"),
        ("pseudo_labels=soft", "goes with an unlabelled_split"),
        ("task=mae", "task must be one of classification, distillation"),
    ):
        with pytest.raises(ValueError, match=message):
            recipes.override(recipe, [setting])
    with pytest.raises(ValueError, match="A teacher needs distillation=soft"):
        recipes.changed(recipe, {"teacher": "runs/first"})
    with pytest.raises(ValueError, match="one task. Received: distillation and pseudo"):
        recipes.override(
            recipes.get("fashion_mnist_noisy_student"), ["distillation=soft"]
        )


@pytest.mark.parametrize("text", ["distillation=soft", "task=distillation"])
def test_a_task_is_chosen_by_its_name_or_by_its_word_and_turned_off(text):
    recipe = recipes.get("fashion_mnist")
    chosen = recipes.override(recipe, [text, "temperature=2"])
    assert isinstance(chosen.task, recipes.DistillationSettings)
    assert (chosen.task.temperature, chosen.task.label_smoothing) == (2.0, 0.05)
    assert recipes.override(chosen, ["distillation=none"]) == recipe
    assert recipes.override(chosen, ["task=classification"]) == recipe


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_file_of_settings_is_read_by_groups_or_by_names(tmp_path, suffix):
    recipe = recipes.changed(
        recipes.get("finetune"),
        {"model": "ViT_Ti16", "epochs": 3, "base_lr": 1e-3, "optimizer": "adam"},
    )
    path = tmp_path / f"settings.{suffix}"
    if suffix == "json":
        path.write_text(json.dumps(recipes.as_json(recipe)))
    else:
        path.write_text(
            "recipe: finetune\nseed: 3\nmodel: ViT_Ti16\nrun: {epochs: 3}\n"
            "base_lr: 1e-3\noptimizer:\n  name: adam\n"
        )
    settings = recipes.read_settings_file(path)
    assert settings.pop("seed", 3) == 3
    name = settings.pop("recipe", "finetune")
    assert recipes.changed(recipes.get(name), settings) == recipe
    assert not recipes.holds_a_run(path)


def test_numbers_with_exponents_are_numbers_everywhere_in_a_file(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(
        "base_lr: 1e-3\nlr_multipliers: {head/*: 1e-1, norm: .5E+1, '1e2': 2.e0}\n"
        "model_arguments: {dropout_rate: 1e-1}\nfreeze: [1e, e1]"
    )
    assert recipes.read_settings_file(path) == {
        "base_lr": 0.001,
        "lr_multipliers": {"head/*": 0.1, "norm": 5.0, "1e2": 2.0},
        "model_arguments": {"dropout_rate": 0.1},
        "freeze": ["1e", "e1"],
    }
    recipe = recipes.Recipe.of("photos", lr_multipliers={"1e2": 1e-7})
    path.write_text(recipes.as_yaml(recipe, seed=0))
    assert recipes.from_json(recipes.read_file(path)["recipe"]) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3", "Did you mean 'epochs'"),
        ("- epochs", "must hold names and values.*which holds list"),
        ("a: [1", "Expected YAML or JSON"),
        ("epochs: 3\nrun: {epochs: 4}", "once. Received: epochs"),
        ("epochs: many", "epochs must be a whole number. Received: 'epochs=many'"),
        ("run: {base_learning_rate: 1}", "Unknown setting of a recipe"),
        ("run: {epoch: 3}", r"Expected one of (?!.*\bseed\b).*mean 'epochs'"),
        (
            "run: {epochs: 3, seed: 2}",
            "seed must stand beside .* seed in run",
        ),
        ("recipe: 3", "recipe must be the name of one. Received: 3"),
        ("seed: abc", "seed must be a whole number .* Received: 'abc'"),
        ("seed: true", "seed must be a whole number .* Received: True"),
        ("seed: -1", "seed must be a whole number .* Received: -1"),
    ],
)
def test_a_wrong_file_of_settings_is_refused(tmp_path, text, message):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        recipes.read_settings_file(path)
