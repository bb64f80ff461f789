"""A recipe's settings reach the model, the optimizer and the step."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit import recipes
from keras_vit.classifier import Classifier
from keras_vit.data.augmentation import Augmentation
from keras_vit.meaning import meaning_of
from keras_vit.preprocessing import PRESETS, resolve
from keras_vit.served_model import ServedModel
from keras_vit.training.model import build_model, keep_meaning
from keras_vit.training.optimizers import build_optimizer
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks import task_of
from support.models import randomize, tiny_vit
from support.training.small import small_recipe
from support.training.steps import adapted_by

pytestmark = pytest.mark.slow  # XLA compiles the step of every recipe

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


KEPT = []  # adapters, which last as long as someone holds them


STEM_BLOCKS = {"resnet": (), "basic_resnet": (1,)}


def in_small(recipe):
    """The recipe on a model of its kind, but small."""
    kind = {k: v for k, v in recipe.model.arguments.items() if k not in SIZES}
    if "representation_size" in kind:
        kind["representation_size"] = 8
    hybrid = recipe.model.stem_blocks is not None or recipe.model.name.startswith("R")
    return recipes.changed(
        recipe,
        {
            "model": "ViT",
            "model_arguments": SIZES | kind | ({"patch_size": 1} if hybrid else {}),
            "stem_blocks": STEM_BLOCKS[recipe.model.stem] if hybrid else None,
            "progressive_sizes": (),
            "stem_width_factor": 0.5,
            "weights": None,
            "image_size": 16,
            "batch_size": 4,
            "steps": 10,
            "warmup_steps": 2,
        },
    )


def kinds_of_steps():
    """The recipes in small, those of the same step together."""
    found = {}
    for name, recipe in recipes.RECIPES.items():
        small = in_small(recipe)
        of_the_step = {
            key: value
            for key, value in recipes.as_flat(small).items()
            if key not in NOT_OF_THE_STEP
        }
        key = str(of_the_step | {"model": small.model.arguments})
        found.setdefault(key, []).append(name)
    return [pytest.param(names, id=names[0]) for names in found.values()]


def batch(rng, count=4):
    images = rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    return tf.constant(images), tf.one_hot(rng.integers(0, 5, count), 5)


def step_of(recipe, model, **options):
    KEPT.append(adapted_by(recipe, model))
    teacher = Classifier.of(model) if hasattr(recipe.task, "teacher") else None
    task = task_of(recipe.task, teacher)
    model = task.wrap(model)
    state = TrainingState(
        model,
        build_optimizer(model, recipe.optimizer, recipe.schedule, 10),
        averaged=recipe.optimizer.ema is not None,
    )
    step = training_step(
        state,
        task.objective(model),
        tf.distribute.get_strategy(),
        global_batch=recipe.run.batch_size,
        clip_norm=recipe.optimizer.clip_norm,
        accumulation_steps=recipe.run.accumulation_steps,
        ema=recipe.optimizer.ema or 0.0,
        **options,
    )
    return state, step


@pytest.mark.parametrize("names", kinds_of_steps())
def test_the_whole_step_of_every_recipe_compiles_under_xla(names, rng):
    """As one cluster of static shapes; recipes of the same step stand together."""
    recipe = in_small(recipes.get(names[0]))
    state, step = step_of(recipe, build_model(recipe.model, 5))
    images, targets = batch(rng)
    if not recipe.task.learns_labels:
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
    recipe = recipes.changed(in_small(recipes.get("cifar10")), {**settings})
    recipe.model.arguments.update(dropout_rate=0.1, drop_path_rate=0.1)
    _, step = step_of(recipe, build_model(recipe.model, 5))
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
    recipe = recipes.changed(
        in_small(recipes.get("cifar10")), {"precision": "mixed_bfloat16"}
    )
    before = keras.config.dtype_policy().name
    model = build_model(recipe.model, 5)
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
    recipe = recipes.changed(in_small(recipes.get("cifar10")), {"head_bias": -6.9})
    model = build_model(recipe.model, 5)
    np.testing.assert_allclose(model.get_layer("head").bias, -6.9, rtol=1e-6)


def test_a_model_keeps_how_the_recipe_evaluates_it():
    model = build_model(small_recipe().model, 2)
    keep_meaning(model, preprocessing="big_vision:0.5")
    assert meaning_of(model).preprocessing == resolve("big_vision:0.5")
    recipe = small_recipe(model_arguments=SIZES | {"evaluation_preprocessing": "timm"})
    assert meaning_of(build_model(recipe.model, 2)).preprocessing == PRESETS["timm"]


def test_a_recipes_positions_take_the_place_of_the_models_own():
    settings = ["position_embedding=learned_2d", "position_embedding_at=every_layer"]
    own = small_recipe(model_arguments=SIZES | {"position_embedding": "none"})
    model = build_model(recipes.override(own, settings).model, 2)
    assert model.get_layer("positions_00").kind == "learned_2d"
    model = build_model(own.model, 2)
    assert model.get_layer("patch_encoder").position_embedding == "none"
    wrong = recipes.changed(own, {"position_embedding": "sinus"})
    with pytest.raises(ValueError, match="one of learned, none.*'sinus'"):
        build_model(wrong.model, 2)
    cnn = recipes.changed(
        own,
        {
            "model": "ResNet_R26",
            "model_arguments": {},
            "position_embedding": "relative",
        },
    )
    with pytest.raises(
        ValueError, match="sets position_embedding .*Received: model=ResNet_R26"
    ):
        build_model(cnn.model, 2)


def test_freezing_goes_by_patterns_of_layers():
    model = tiny_vit(num_layers=3)
    kept = adapted_by(small_recipe(freeze=("patch_encoder", "block_0[01]")), model)
    tops = {weight.path.split("/")[0] for weight in model.trainable_variables}
    assert tops == {"block_02", "norm", "head"}
    kept.close()
    with pytest.raises(
        ValueError, match="Received: 'blok.*matches none of .*patch_encoder"
    ):
        adapted_by(small_recipe(freeze=("blok",)), model)
    with pytest.raises(ValueError, match="must leave some layers to be trained"):
        adapted_by(small_recipe(freeze=("*",)), model)


def test_a_teacher_and_distillation_go_together():
    for recipe, teacher in (
        (small_recipe(distillation="hard"), None),
        (small_recipe(), Classifier.of(tiny_vit())),
    ):
        with pytest.raises(ValueError, match="A teacher needs distillation"):
            task_of(recipe.task, teacher)


def test_a_saved_model_is_no_teacher_of_distillation():
    served = Classifier.of(tiny_vit())
    served = dataclasses.replace(served, model=object.__new__(ServedModel), name="a")
    with pytest.raises(
        ValueError, match="teacher of distillation must be a Keras.*'a', a SavedModel"
    ):
        task_of(small_recipe(distillation="soft").task, served)
    noisy = small_recipe(pseudo_labels="soft", unlabelled_split="train[50%:]")
    assert task_of(noisy.task, served).teacher is served


def test_settings_become_an_augmentation():
    recipe = small_recipe(
        randaugment_layers=2, randaugment_magnitude=15.0, mixup=0.2, flip=True
    )
    made = Augmentation.of(recipe.augmentation)
    assert (made.crop, made.crop_padding, made.flip) == ("pad", 1, True)
    assert (made.randaugment, made.mixup) == ((2, 15.0), 0.2)
    assert Augmentation.of(small_recipe().augmentation).randaugment is None
