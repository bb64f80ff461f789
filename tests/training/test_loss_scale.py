"""Training in float16, against the same steps in float32."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit.training import loss_scale
from keras_vit.training.optimizers import SGD, Adam
from keras_vit.training.schedules import LearningRate
from support.models import randomize, tiny_vit
from support.often import often
from support.training.small import small_dataset, small_recipe
from support.training.steps import made

JIT = [False, pytest.param(True, marks=pytest.mark.slow)]


@contextlib.contextmanager
def policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def batch(count=8):
    draws = np.random.default_rng(1)
    images = draws.integers(0, 256, (count, 16, 24, 3), dtype=np.uint8)
    return tf.constant(images), tf.one_hot(draws.integers(0, 5, count), 5)


def stepper(name, rule=None, **options):
    with policy(name):
        model = randomize(tiny_vit(num_layers=1), np.random.default_rng(0))
    rate = LearningRate(0.1, 9, decay="constant")
    return made(model, rule or SGD(0.9), rate, global_batch=8, **options)


def weights_of(state):
    return [weight.numpy() for weight in state.model.trainable_variables]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "options",
    often([{}, {"clip_norm": 0.5}, {"accumulation_steps": 2}], [{"clip_norm": 0.5}]),
)
@pytest.mark.parametrize("jit_compile", JIT)
def test_steps_are_those_of_float32(options, jit_compile):
    half, step = stepper("mixed_float16", jit_compile=jit_compile, **options)
    full, other = stepper("float32", **options)
    before = weights_of(full)
    assert full.loss_scale is None
    for _ in range(3):
        told, expected = step(*batch()), other(*batch())
        assert told["updated"]
        assert not told["skipped"]
        for name in ("loss", "gradient_norm"):
            assert float(told[name]) == pytest.approx(float(expected[name]), rel=0.01)
    for one, two, start in zip(weights_of(half), weights_of(full), before, strict=True):
        atol = 0.02 * np.abs(two - start).max() + 1e-5
        np.testing.assert_allclose(one, two, atol=atol)
    assert int(half.loss_scale.good) == 3


def tiny(targets, logits):
    of_image = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
    return 1e-8 * of_image


def test_gradients_too_small_for_float16_still_count():
    """A loss of 1e-8 of it, and a rate of 1e8 times: the same step in float32."""
    moved = []
    for name in ("mixed_float16", "float32"):
        with policy(name):
            model = randomize(tiny_vit(num_layers=1), np.random.default_rng(0))
        start = model.get_layer("head").kernel.numpy()
        rate = LearningRate(1e7, 9, decay="constant")
        _, step = made(model, SGD(0.0), rate, loss=tiny, global_batch=8)
        step(*batch())
        moved.append(model.get_layer("head").kernel.numpy() - start)
    np.testing.assert_allclose(moved[0], moved[1], atol=0.02 * np.abs(moved[1]).max())


@pytest.mark.one_in(2)
@pytest.mark.parametrize("jit_compile", JIT)
def test_an_overflow_is_skipped_and_halves_the_scale(jit_compile):
    state, step = stepper("mixed_float16", Adam(), jit_compile=jit_compile, ema=0.5)
    state.loss_scale.factor.assign(2.0**30)
    state.loss_scale.good.assign(7)
    before = {name: one.numpy() for name, one in state.variables().items()}
    told, skipped = step(*batch()), 1
    assert told["skipped"]
    assert not told["updated"]
    after = {name: one.numpy() for name, one in state.variables().items()}
    changed = {n for n in after if (after[n] != before[n]).any()}
    assert changed == {
        "step",
        *(f"loss_scale/{n}" for n in state.loss_scale.variables()),
    }
    assert after["loss_scale/factor"] == 2.0**29
    assert after["loss_scale/good"] == 0
    while not step(*batch())["updated"]:
        skipped += 1
    assert not state.halted
    assert int(state.loss_scale.skipped) == skipped
    assert int(state.step) == skipped + 1
    assert float(state.loss_scale.factor) == 2.0 ** (30 - skipped)
    # Adam's first update is its first, whatever was skipped: +-rate each.
    full, other = stepper("float32", Adam())
    other(*batch())
    head = [s.model.get_layer("head").kernel.numpy() for s in (state, full)]
    np.testing.assert_allclose(head[0], head[1], atol=1e-3)


@pytest.mark.slow
def test_the_scale_doubles_after_good_steps():
    state, step = stepper("mixed_float16")
    state.loss_scale.good.assign(loss_scale.GROWS_AFTER - 1)
    step(*batch())
    assert float(state.loss_scale.factor) == 2 * loss_scale.FIRST
    assert int(state.loss_scale.good) == 0


@pytest.mark.parametrize(("before", "after"), [(23, 24), (24, 24)])
def test_the_scale_grows_to_2_to_the_24th_at_most(before, after):
    scale = loss_scale.LossScale()
    scale.factor.assign(2.0**before)
    for _ in range(3):
        scale.good.assign(loss_scale.GROWS_AFTER - 1)
        scale.adapt(tf.constant(True), tf.constant(False))
        assert float(scale.factor) == 2.0**after
        assert int(scale.good) == 0
    scale.adapt(tf.constant(False), tf.constant(True))
    assert float(scale.factor) == 2.0 ** (after - 1)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("where", ["loss", "scale of 1"])
def test_what_no_scale_can_help_halts(where):
    state, step = stepper("mixed_float16")
    images, targets = batch()
    if where == "loss":
        told = step(images, targets * np.nan)
    else:
        state.loss_scale.factor.assign(1.0)
        told = step(tf.cast(images, "float32"), targets * 1e9)
    assert not told["updated"]
    assert not told["skipped"]
    assert state.halted
    assert int(state.step) == 0
    assert not step(images, targets)["updated"]


@pytest.mark.slow
def test_a_run_in_float16_resumes_with_its_scale(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loss_scale, "FIRST", 2.0**22)
    arguments = {
        "dataset": small_dataset(),
        "folder": tmp_path / "run",
        "precision": "mixed_float16",
        "verbose": 2,
    }

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if len(seen) == 7:
                raise OSError("stopped")
            seen.append(logs["loss"])

    seen = []
    whole = keras_vit.train(
        small_recipe(epochs=2), **arguments | {"folder": tmp_path / "whole"}
    )
    assert " steps skipped" in capsys.readouterr().out
    with pytest.raises(OSError, match="stopped"):
        keras_vit.train(small_recipe(epochs=2), callbacks=[Stop()], **arguments)
    resumed = keras_vit.train(small_recipe(epochs=2), **arguments)
    for one, other in zip(whole.model.weights, resumed.model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    assert resumed.saved_model is not None  # exported, and equal to the model
    assert loss_scale.computes_in_float16(resumed.model)
