"""Keras's optimizers under the training step, against Keras's own `fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit.training.optimizers import KerasOptimizer
from keras_vit.training.schedules import FunctionOfStep
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks.classification import supervised
from support.models import randomize, tiny_vit

ONE = tf.distribute.get_strategy()
DECAYING = keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)
OPTIMIZERS = {
    "SGD": {"learning_rate": DECAYING, "momentum": 0.9, "nesterov": True},
    "AdamW": {"learning_rate": 0.01, "weight_decay": 0.3},
    "Nadam": {"learning_rate": DECAYING, "global_clipnorm": 0.1},
    "Lion": {"learning_rate": 0.002, "weight_decay": 0.2, "clipvalue": 0.01},
    "Adafactor": {"learning_rate": 0.01, "clipnorm": 0.1},
    "Muon": {"learning_rate": 0.01},
}


def batches(count=5):
    draws = np.random.default_rng(3)
    images = draws.integers(0, 256, (count, 8, 16, 24, 3), dtype=np.uint8)
    labels = draws.integers(0, 5, (count, 8))
    return images, labels


def model_with_constraint():
    model = randomize(tiny_vit(num_layers=1), np.random.default_rng(0))
    model.get_layer("head").kernel.constraint = keras.constraints.MaxNorm(0.3)
    return model


def made(optimizer, schedule=None, **options):
    model = model_with_constraint()
    ours = KerasOptimizer(model.trainable_variables, optimizer, schedule)
    state = TrainingState(model, ours)
    return state, training_step(
        state, supervised(model), ONE, global_batch=8, **options
    )


def taken(step, first, last):
    images, labels = batches()
    for i in range(first, last):
        step(tf.constant(images[i]), tf.one_hot(labels[i], 5))


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_five_steps_are_those_of_fit(name):
    make = lambda: getattr(keras.optimizers, name)(**OPTIMIZERS[name])  # noqa: E731
    given = make()
    state, step = made(given)
    taken(step, 0, 5)

    model = model_with_constraint()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(make(), loss, jit_compile=False)
    images, labels = batches()
    model.fit(
        np.concatenate(images),
        np.concatenate(labels),
        batch_size=8,
        shuffle=False,
        verbose=0,
    )
    moved = 0.0
    start = model_with_constraint()
    for ours, theirs, before in zip(
        state.model.trainable_variables,
        model.trainable_variables,
        start.trainable_variables,
        strict=True,
    ):
        if ours.path.endswith("key/bias"):
            continue  # moves no probability: its gradient is rounding alone
        np.testing.assert_allclose(ours, theirs, atol=3e-4, err_msg=ours.path)
        moved = max(moved, np.abs(ours.numpy() - before.numpy()).max())
    assert moved > 5e-3
    assert not given.built  # the caller's own stays as it is


@pytest.mark.parametrize("name", ["SGD", pytest.param("Nadam", marks=pytest.mark.slow)])
def test_what_is_kept_resumes_to_the_last_bit(name):
    arguments = OPTIMIZERS[name]
    state, step = made(getattr(keras.optimizers, name)(**arguments))
    taken(step, 0, 2)
    kept = {path: one.numpy() for path, one in state.variables().items()}
    taken(step, 2, 4)
    resumed, again = made(getattr(keras.optimizers, name)(**arguments))
    variables = resumed.variables()
    assert variables.keys() == kept.keys()
    for path, value in kept.items():
        variables[path].assign(value)
    taken(again, 2, 4)
    for path, one in state.variables().items():
        np.testing.assert_array_equal(one.numpy(), variables[path].numpy(), path)


def test_a_schedule_takes_the_place_of_the_optimizers_own():
    weight = keras.Variable(1.0, name="kernel")
    optimizer = KerasOptimizer(
        [weight],
        keras.optimizers.SGD(0.7),
        FunctionOfStep(lambda step: 0.1 / tf.cast(step + 1, "float32")),
    )
    for step in range(3):
        optimizer.apply([tf.constant(1.0)], tf.constant(step, tf.int64))
    assert float(weight) == pytest.approx(1 - 0.1 - 0.05 - 0.1 / 3)
    assert float(optimizer.schedule(1)) == pytest.approx(0.05)


def test_weights_without_decay_stay_without():
    kernel, bias = (keras.Variable(1.0, name=name) for name in ("kernel", "bias"))
    given = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    given.exclude_from_weight_decay(var_names=["bias"])
    optimizer = KerasOptimizer([kernel, bias], given)
    optimizer.apply([tf.constant(0.0)] * 2, tf.constant(0, tf.int64))
    assert [float(kernel), float(bias)] == pytest.approx([0.95, 1.0])


REFUSED = {
    "use_ema": ({"use_ema": True}, r"must not set use_ema.*ema=0\.999"),
    "loss_scale_factor": ({"loss_scale_factor": 8.0}, "precision=mixed_float16"),
    "gradient_accumulation_steps": (
        {"gradient_accumulation_steps": 2},
        "accumulation_steps cuts each batch",
    ),
    "learning_rate": ({"learning_rate": lambda: 0.1}, "as its learning_rate"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_that_train_has_settings_for_are_refused(name):
    arguments, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        KerasOptimizer(
            [keras.Variable(1.0)],
            keras.optimizers.SGD(**{"learning_rate": 0.1} | arguments),
        )


def test_a_loss_scale_optimizer_and_what_is_none_are_refused():
    inner = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="Pass its inner_optimizer"):
        KerasOptimizer([], keras.optimizers.LossScaleOptimizer(inner))
    with pytest.raises(TypeError, match="must be a word of recipes or a keras.opt"):
        KerasOptimizer([], keras.optimizers.SGD)
