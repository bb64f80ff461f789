"""Losses, optimizers and schedules that are objects, through whole runs."""

import functools
import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.training import read_config
from keras_vit.training.arguments import TrainArguments
from keras_vit.training.config import RunConfig
from keras_vit.training.optimizers import Adam
from keras_vit.training.tasks import Classification
from support.training.small import linear, small_dataset, small_recipe


def trained(folder, **settings):
    return keras_vit.train(
        small_recipe(epochs=2),
        dataset=small_dataset(),
        folder=folder,
        export=False,
        verbose=0,
        **settings,
    )


def focal():
    return keras.losses.CategoricalFocalCrossentropy(from_logits=True, gamma=1.0)


def nadam():
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 3, 0.5)
    return keras.optimizers.Nadam(rate, global_clipnorm=1.0, weight_decay=0.01)


class StopAt(keras.callbacks.Callback):
    """Fails once, in the middle of an interval."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            raise OSError("stopped")


@pytest.mark.slow
def test_a_run_of_objects_resumes_to_the_last_bit(tmp_path):
    whole = trained(tmp_path / "whole", loss=focal(), optimizer=nadam())
    with pytest.raises(OSError, match="stopped"):
        trained(
            tmp_path / "cut",
            loss=focal(),
            optimizer=nadam(),
            callbacks=[StopAt(7)],
        )
    resumed = trained(tmp_path / "cut", loss=focal(), optimizer=nadam())
    for one, other in zip(whole.model.weights, resumed.model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    rates = [row["learning_rate"] for row in resumed.history]
    np.testing.assert_allclose(rates, 0.01 * 0.5 ** (np.array([5, 10]) / 3), rtol=1e-5)
    config = json.loads((tmp_path / "cut" / "config.json").read_text())
    assert config["objects"]["loss"]["config"]["gamma"] == 1.0
    assert config["objects"]["optimizer"]["class"].endswith(".Nadam")
    with pytest.raises(ValueError, match="had objects of Python as dataset, loss, opt"):
        read_config(tmp_path / "cut" / "config.json")


def test_another_object_is_another_run(tmp_path):
    trained(tmp_path, loss=focal(), model=linear())
    with pytest.raises(ValueError, match="holds another run.*loss: .*Focal"):
        trained(tmp_path, loss=keras.losses.MeanSquaredError(), model=linear())


def test_a_rule_and_a_schedule_are_used(tmp_path):
    run = trained(
        tmp_path,
        model=linear(),
        optimizer=Adam(epsilon=1e-3),
        schedule=lambda step: 0.02 / (1 + keras.ops.cast(step, "float32")),
        weight_decay_scaling="rate",
    )
    rates = [row["learning_rate"] for row in run.history]
    np.testing.assert_allclose(rates, [0.02 / 6, 0.02 / 11], rtol=1e-5)


def described(**settings):
    config = RunConfig.of(small_recipe(), TrainArguments.of(), settings)
    return config.described_objects()


def smoothed(amount):
    function = keras.losses.categorical_crossentropy
    return functools.partial(function, from_logits=True, label_smoothing=amount)


def test_what_a_task_is_made_of_is_noted():
    task = Classification(focal(), 0.1, class_weights={"bag": 2.0})
    config = described(task=task)["task"]["config"]
    assert config["loss"]["config"]["gamma"] == 1.0
    assert config["label_smoothing"] == 0.1
    assert config["class_weights"] == {"bag": 2.0}
    assert described(loss=smoothed(0.1)) == described(loss=smoothed(0.1))
    assert described(loss=smoothed(0.1)) != described(loss=smoothed(0.2))
    inside = [described(task=Classification(smoothed(one))) for one in (0.1, 0.1, 0.2)]
    assert inside[0] == inside[1] != inside[2]
    assert " at 0x" not in json.dumps([inside, described(loss=smoothed(0.1))])


class Halving:
    """A schedule that is an object."""

    def __call__(self, step):
        return 0.1 * 0.5 ** keras.ops.cast(step, "float32")


def constant(step, rate):
    return rate + 0.0 * keras.ops.cast(step, "float32")


def pipeline():
    flip, turn = keras.layers.RandomFlip(seed=1), keras.layers.RandomRotation(0.1)
    return keras.layers.Pipeline([flip, turn])


MADE_TWICE = {
    "partial": lambda: {"loss": smoothed(np.float32(0.5))},
    "schedule of an object": lambda: {"schedule": Halving()},
    "schedule of a partial": lambda: {"schedule": functools.partial(constant, rate=1)},
    "layers in a layer": lambda: {"augmentation": pipeline()},
}


@pytest.mark.parametrize("case", MADE_TWICE)
def test_objects_that_are_made_alike_are_described_alike_after_a_file(case):
    first, second = (described(**MADE_TWICE[case]()) for _ in range(2))
    assert json.loads(json.dumps(first)) == second
    assert " at 0x" not in json.dumps(first)


def test_options_of_data_by_name_join_those_of_a_file():
    config = RunConfig.of(
        small_recipe(),
        TrainArguments.of(dataset="photos"),
        {"group": "patient", "dataset_options": {"exif_orientation": False}},
    )
    expected = {"group": "patient", "exif_orientation": False}
    assert config.recipe.data.options == expected


def test_a_teacher_that_nothing_asks_is_refused():
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten()])
    arguments = TrainArguments.of(teacher=model)
    for objects in ({"loss": focal()}, {"task": Classification()}):
        with pytest.raises(ValueError, match="asks no teacher"):
            RunConfig.of(small_recipe(), arguments, objects)


CLASHES = {
    "optimizer": (
        {"optimizer": keras.optimizers.AdamW(1e-3), "base_lr": 0.1, "momentum": 0.5},
        "momentum, base_lr must go with a word as optimizer.*AdamW",
    ),
    "clipping": (
        {"optimizer": keras.optimizers.SGD(0.1, clipnorm=1.0), "clip_norm": 2.0},
        "clip_norm must go with a word as optimizer",
    ),
    "layers": (
        {"optimizer": keras.optimizers.SGD(0.1), "layer_decay": 0.5},
        "must go with layer_decay=1 .*Received: layer_decay=0.5",
    ),
    "rule": ({"optimizer": Adam(), "beta2": 0.5}, "beta2 must go with a word"),
    "schedule": (
        {"schedule": lambda step: 0.1, "warmup_steps": 3},
        "warmup_steps must go with a word as schedule, or with none",
    ),
    "scaling": (
        {"schedule": lambda step: 0.1, "weight_decay_scaling": "schedule"},
        "weight_decay_scaling=schedule divides.*it needs the recipe's own schedule",
    ),
    "task": (
        {"loss": focal(), "masked_patches": "pixels"},
        "loss as an object must go with task=classification.*masked_patches",
    ),
    "probabilities": (
        {"loss": keras.losses.CategoricalCrossentropy()},
        "Pass from_logits=True",
    ),
    "word": ({"schedule": "cosine"}, "schedule='cosine'. Pass a word as decay="),
}


def test_no_object_is_the_recipes_own_and_no_augmentation_is_off():
    layered = small_recipe(augmentation=("keras_cv:AugMix",), freeze=("stem",))
    nothing = dict.fromkeys(("task", "loss", "optimizer", "schedule"))
    config = RunConfig.of(layered, TrainArguments.of(), nothing)
    assert config.recipe == layered
    assert not config.objects
    for none in (None, "none"):
        off = {"augmentation": none, "freeze": none, "lr_multipliers": none}
        config = RunConfig.of(layered, TrainArguments.of(), off)
        assert config.augmentation() == config.recipe.model.freeze == ()
        assert config.recipe.optimizer.lr_multipliers == {}


@pytest.mark.parametrize("case", CLASHES)
def test_what_does_not_go_together_is_refused_before_the_run(case, tmp_path):
    settings, words = CLASHES[case]
    with pytest.raises((ValueError, TypeError), match=words):
        trained(tmp_path / "run", **settings)
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.slow
def test_functions_and_partials_are_losses(tmp_path):
    loss = functools.partial(keras.losses.categorical_crossentropy, from_logits=True)
    ours = trained(tmp_path / "word")
    theirs = trained(tmp_path / "function", loss=loss)
    for one, other in zip(ours.model.weights, theirs.model.weights, strict=True):
        if not one.path.endswith("key/bias"):  # whose gradient is rounding alone
            np.testing.assert_allclose(one, other, atol=1e-4, err_msg=one.path)


def test_class_weights_are_those_of_keras_fit(tmp_path):
    """One step of plain descent on the whole split, beside `fit(class_weight=)`."""
    dataset = small_dataset()
    recipe = small_recipe(crop=None, crop_padding=None)  # images as they are
    name = dataset.class_names[1]
    count = len(dataset.train)
    model = linear()
    beside = keras.models.clone_model(model)
    beside.set_weights(model.get_weights())
    keras_vit.train(
        recipe,
        model=model,
        dataset=dataset,
        task=Classification(class_weights={name: 3.0}),
        optimizer=keras.optimizers.SGD(0.5),
        clip_norm=None,
        batch_size=count,
        steps=1,
        folder=tmp_path,
        export=False,
        verbose=0,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    beside.compile(keras.optimizers.SGD(0.5), loss)
    beside.fit(
        dataset.train.images,
        dataset.train.labels,
        batch_size=count,
        class_weight={0: 1.0, 1: 3.0},
        verbose=0,
    )
    for one, other in zip(model.weights, beside.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=one.path)
