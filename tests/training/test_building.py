"""A recipe's settings reach the model, the optimizer and the step."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.meaning import meaning_of
from keras_vit.preprocessing import PRESETS, resolve
from keras_vit.served_model import ServedModel
from keras_vit.training import building
from keras_vit.training.step import TrainingState, training_step
from support.models import randomize, tiny_vit
from support.training.small import small_recipe

SIZES = {
    "patch_size": 8,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 32,
    "mlp_dim": 32,
}
# Of which a step does not depend, or only by the model's size.
NOT_OF_THE_STEP = (
    *("dataset", "model", "model_arguments", "weights", "image_size", "batch_size"),
    *("train_split", "eval_split", "evaluation_preprocessing", "epochs", "steps"),
    *("base_lr", "warmup_steps"),
    *("crop", "crop_area", "crop_padding", "flip", "mixup", "head_bias"),
    *("random_erasing", "cutmix", "repeats", "max_unreadable_fraction"),
    *("randaugment_layers", "randaugment_magnitude", "stem_width_factor"),
)


def in_small(recipe):
    """The recipe on a model of its kind, but small."""
    kind = {k: v for k, v in recipe.model_arguments.items() if k not in SIZES}
    if "representation_size" in kind:
        kind["representation_size"] = 8
    hybrid = recipe.stem_blocks is not None or recipe.model.startswith("R")
    return dataclasses.replace(
        recipe,
        model="ViT",
        model_arguments=SIZES | kind | ({"patch_size": 1} if hybrid else {}),
        stem_blocks=() if hybrid else None,
        stem_width_factor=0.5,
        weights=None,
        image_size=16,
        batch_size=4,
        steps=10,
        warmup_steps=2,
    )


def kinds_of_steps():
    """The recipes in small, those of the same step together."""
    found = {}
    for name, recipe in recipes.RECIPES.items():
        small = in_small(recipe)
        of_the_step = {
            key: value
            for key, value in dataclasses.asdict(small).items()
            if key not in NOT_OF_THE_STEP
        }
        key = str(of_the_step | {"model": small.model_arguments})
        found.setdefault(key, []).append(name)
    return [pytest.param(names, id=names[0]) for names in found.values()]


def batch(rng, count=4):
    images = rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return tf.constant(images), tf.one_hot(rng.integers(0, 5, count), 5)


def step_of(recipe, model, **options):
    building.prepare(model, recipe)
    model = building.trained_model(model, recipe)
    state = TrainingState(
        model, building.build_optimizer(model, recipe, 10), averaged=recipe.ema > 0
    )
    # What a teacher has labelled is learnt as all labels are.
    teacher = None if recipe.pseudo_labels == "none" else model
    step = training_step(
        state,
        building.build_objective(model, recipe, teacher),
        tf.distribute.get_strategy(),
        global_batch=recipe.batch_size,
        clip_norm=building.clip_of(recipe),
        accumulation_steps=recipe.accumulation_steps,
        ema=recipe.ema,
        **options,
    )
    return state, step


@pytest.mark.parametrize("names", kinds_of_steps())
def test_the_whole_step_of_every_recipe_compiles_under_xla(names, rng):
    """As one cluster of static shapes; recipes of the same step stand together."""
    recipe = in_small(recipes.get(names[0]))
    state, step = step_of(recipe, building.build_model(recipe, 5))
    images, targets = batch(rng)
    if recipe.masked_patches != "none":
        targets = tf.constant(rng.random((4, state.model.num_draws), np.float32))
    told = tf.function(step, jit_compile=True)(images, targets)
    assert told["updated"]
    assert int(state.step) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulation_steps": 2, "remat": True, "ema": 0.9},
        {"precision": "mixed_bfloat16", "remat": True, "patch_dropout_rate": 0.5},
        {"layer_decay": 0.5, "freeze": ("patch_encoder",), "label_smoothing": 0.1},
        {"lora_rank": 2, "accumulation_steps": 2, "remat": True, "ema": 0.9},
    ],
)
def test_settings_compile_too(settings, rng):
    recipe = dataclasses.replace(in_small(recipes.get("cifar10")), **settings)
    recipe.model_arguments.update(dropout_rate=0.1, drop_path_rate=0.1)
    _, step = step_of(recipe, building.build_model(recipe, 5))
    assert tf.function(step, jit_compile=True)(*batch(rng))["updated"]


def test_remat_changes_neither_masks_nor_gradients(rng):
    images, targets = batch(rng, 8)
    weights = []
    for remat in (False, True):
        model = randomize(
            tiny_vit(
                image_size=16,
                dropout_rate=0.3,
                attention_dropout_rate=0.2,
                drop_path_rate=0.4,
                patch_dropout_rate=0.5,
            ),
            np.random.default_rng(0),
        )
        recipe = small_recipe(
            batch_size=8, remat=remat, optimizer="sgd", warmup_steps=0, base_lr=1.0
        )
        _, step = step_of(recipe, model)
        for _ in range(3):
            step(images, targets)
        weights.append([weight.numpy() for weight in model.weights])
        assert model.get_layer("block_00").remat == remat
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_bfloat16_computes_in_it_and_keeps_float32_weights_and_logits(rng):
    recipe = dataclasses.replace(
        in_small(recipes.get("cifar10")), precision="mixed_bfloat16"
    )
    before = keras.config.dtype_policy().name
    model = building.build_model(recipe, 5)
    assert keras.config.dtype_policy().name == before
    assert model.get_layer("block_00").mlp.fc1.compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    images, targets = batch(rng)
    assert model(images).dtype == "float32"
    _, step = step_of(recipe, model)
    first = float(step(images, targets)["loss"])
    assert first == pytest.approx(np.log(5), abs=0.05)  # a head of zeros
    for _ in range(8):
        last = float(step(images, targets)["loss"])
    assert last < first


def test_a_head_bias_makes_every_class_rare():
    recipe = dataclasses.replace(in_small(recipes.get("cifar10")), head_bias=-6.9)
    model = building.build_model(recipe, 5)
    np.testing.assert_allclose(model.get_layer("head").bias, -6.9, rtol=1e-6)


def test_a_model_keeps_how_the_recipe_evaluates_it():
    recipe = small_recipe(evaluation_preprocessing="big_vision:0.5")
    assert meaning_of(building.build_model(recipe, 2)).preprocessing == resolve(
        "big_vision:0.5"
    )
    recipe = small_recipe(model_arguments=SIZES | {"evaluation_preprocessing": "timm"})
    assert meaning_of(building.build_model(recipe, 2)).preprocessing == PRESETS["timm"]


def test_a_recipes_positions_take_the_place_of_the_models_own():
    settings = ["position_embedding=learned_2d", "position_embedding_at=every_layer"]
    own = small_recipe(model_arguments=SIZES | {"position_embedding": "none"})
    model = building.build_model(recipes.override(own, settings), 2)
    assert model.get_layer("positions_00").kind == "learned_2d"
    model = building.build_model(own, 2)
    assert model.get_layer("patch_encoder").position_embedding == "none"
    wrong = dataclasses.replace(own, position_embedding="sinus")
    with pytest.raises(ValueError, match="one of learned, none.*'sinus'"):
        building.build_model(wrong, 2)
    cnn = dataclasses.replace(
        own, model="ResNet_R26", model_arguments={}, position_embedding="relative"
    )
    with pytest.raises(
        ValueError, match="sets position_embedding .*Received: model=ResNet_R26"
    ):
        building.build_model(cnn, 2)


def test_freezing_goes_by_patterns_of_layers():
    model = tiny_vit(num_layers=3)
    building.prepare(model, small_recipe(freeze=("patch_encoder", "block_0[01]")))
    tops = {weight.path.split("/")[0] for weight in model.trainable_variables}
    assert tops == {"block_02", "norm", "head"}
    with pytest.raises(
        ValueError, match="Received: 'blok.*matches none of .*patch_encoder"
    ):
        building.prepare(model, small_recipe(freeze=("blok",)))
    with pytest.raises(ValueError, match="must leave some layers to be trained"):
        building.prepare(model, small_recipe(freeze=("*",)))


def test_a_teacher_and_distillation_go_together():
    model = tiny_vit()
    for recipe, teacher in (
        (small_recipe(distillation="hard"), None),
        (small_recipe(), model),
    ):
        with pytest.raises(ValueError, match="A teacher needs distillation"):
            building.build_objective(model, recipe, teacher)


def test_a_saved_model_is_no_teacher_of_distillation():
    served = Classifier.of(tiny_vit())
    served = dataclasses.replace(served, model=object.__new__(ServedModel), name="a")
    with pytest.raises(
        ValueError, match="teacher of distillation must be a Keras.*'a', a SavedModel"
    ):
        building.check_teacher(small_recipe(distillation="soft"), served)
    building.check_teacher(
        small_recipe(pseudo_labels="soft", unlabelled_split="train[50%:]"), served
    )


def test_settings_become_an_augmentation():
    recipe = small_recipe(
        randaugment_layers=2, randaugment_magnitude=15.0, mixup=0.2, flip=True
    )
    made = building.augmentation_of(recipe)
    assert (made.crop, made.crop_padding, made.flip) == ("pad", 1, True)
    assert (made.randaugment, made.mixup) == ((2, 15.0), 0.2)
    assert building.augmentation_of(small_recipe()).randaugment is None
