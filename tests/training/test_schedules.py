import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit.training.schedules import DECAYS, LearningRate, schedule_of

OF_THE_REFERENCE = {
    "cos_10000_003_500": (0.03, 10_000, 500, "cosine"),
    "cos_20_1_5": (1.0, 20, 5, "cosine"),
    "cos_20_1_0": (1.0, 20, 0, "cosine"),
    "lin_20_1_5": (1.0, 20, 5, "linear"),
    "lin_100_003_10": (0.03, 100, 10, "linear"),
    "lin_20_1_0": (1.0, 20, 0, "linear"),
}


@pytest.mark.parametrize("name", OF_THE_REFERENCE)
def test_the_rates_are_those_of_the_reference(name, fixtures):
    tables = np.load(fixtures / "lr_schedules_vit_jax.npz")
    rate = LearningRate(*OF_THE_REFERENCE[name])
    expected = tables[f"{name}_lr"]
    np.testing.assert_allclose(
        rate(tables[f"{name}_steps"]), expected, atol=1e-7 * expected.max()
    )


def test_the_inverse_root_falls_by_its_formula():
    rate = LearningRate(0.1, 50_000, warmup_steps=100, decay="rsqrt")
    for step in (100, 400, 10_100, 40_000):
        expected = 0.1 / math.sqrt(1 + (step - 100) / 10_000)
        assert float(rate(step)) == pytest.approx(expected, rel=1e-6)
    assert float(rate(25)) == pytest.approx(0.025)


def test_a_constant_rate_is_constant_after_the_warm_up():
    rate = LearningRate(0.1, 100, warmup_steps=10, decay="constant")
    assert [round(float(rate(step)), 6) for step in (0, 5, 10, 99)] == [
        0,
        0.05,
        0.1,
        0.1,
    ]


@pytest.mark.parametrize("decay", DECAYS)
def test_a_cool_down_ends_at_nothing(decay):
    plain = LearningRate(0.1, 100, decay=decay)
    rate = LearningRate(0.1, 100, decay=decay, cooldown_steps=20)
    for step, share in ((50, 1), (80, 1), (90, 0.5), (95, 0.25), (100, 0)):
        expected = share * float(plain(step))
        assert float(rate(step)) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_the_factor_is_the_rate_without_its_peak():
    rate = LearningRate(0.02, 100, warmup_steps=10, decay="linear")
    for step in (0, 3, 10, 70, 100):
        assert float(rate.factor(step)) == pytest.approx(float(rate(step)) / 0.02)


def test_a_schedule_serves_keras_and_is_rebuilt_from_its_config():
    rate = LearningRate(0.02, 100, 10, "rsqrt", 20)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(rate)
    )
    assert float(again(37)) == float(rate(37))
    assert float(keras.optimizers.SGD(rate).learning_rate) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"warmup_steps": 100}, "warmup_steps=100, 100 steps"),
        ({"warmup_steps": -1}, "warmup_steps=-1, 100 steps"),
        ({"decay": "square"}, "one of cosine, linear, rsqrt, constant.*'square'"),
        ({"warmup_steps": 60, "cooldown_steps": 50}, "40 steps after the warm-up"),
    ],
)
def test_what_does_not_fit_a_run_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LearningRate(0.03, 100, **arguments)


def test_a_function_of_the_step_is_a_schedule():
    def rate(step):
        if step < 3:  # which becomes a condition of the graph
            return 0.5
        return 0.1 * keras.ops.cos(keras.ops.cast(step, "float32"))

    schedule = schedule_of(rate)
    told = [float(schedule(step)) for step in range(6)]
    np.testing.assert_allclose(
        told, [0.5] * 3 + [0.1 * np.cos(step) for step in (3, 4, 5)], rtol=1e-5
    )
    assert schedule_of(schedule) is schedule


@pytest.mark.parametrize(
    ("schedule", "error", "words"),
    [
        (0.1, TypeError, "schedule must be a function of the step.*Received: 0.1"),
        (LearningRate, TypeError, "Received: <class"),
        (lambda step: math.cos(step), ValueError, "by keras.ops.*which raises"),
        (lambda step: tf.zeros(2), ValueError, r"a scalar.*returns shape \(2,\)"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule, error, words):
    with pytest.raises(error, match=words):
        schedule_of(schedule)
