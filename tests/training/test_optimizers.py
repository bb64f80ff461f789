import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit.training.optimizers import (
    SGD,
    Adam,
    Optimizer,
    clip_by_global_norm,
    lr_multipliers,
)
from keras_vit.training.schedules import LearningRate
from support.models import randomize, tiny_vit


@pytest.mark.parametrize("case", ["above", "below", "exact"])
def test_clipping_is_that_of_the_reference(fixtures, case):
    tables = np.load(fixtures / "clip_global_norm.npz")
    gradients = [tf.constant(tables[f"{case}_in_{part}"]) for part in "ab"]
    clipped, norm = clip_by_global_norm(gradients, 1.0)
    np.testing.assert_allclose(norm, tables[f"{case}_norm"], rtol=1e-6)
    for part, one in zip("ab", clipped, strict=True):
        np.testing.assert_allclose(one, tables[f"{case}_out_{part}"], rtol=2e-6)


def test_momentum_keeps_the_learning_rate_outside():
    """By hand, with a rate that changes: Keras's own SGD gives 0.66 here."""
    weight = keras.Variable(1.0, name="kernel")
    schedule = LearningRate(0.2, 2, decay="linear")  # 0.2, then 0.1
    optimizer = Optimizer([weight], SGD(0.9), schedule)
    for step in range(2):
        optimizer.apply([tf.constant(1.0)], tf.constant(step))
    assert float(weight) == pytest.approx(1 - 0.2 * 1 - 0.1 * 1.9, abs=1e-5)


@pytest.mark.parametrize("momentum_dtype", ["float32", "bfloat16"])
def test_adam_is_that_of_keras(rng, momentum_dtype):
    start = rng.normal(size=(7, 5)).astype(np.float32)
    ours = keras.Variable(start, name="kernel")
    theirs = keras.Variable(start, name="kernel")
    optimizer = Optimizer(
        [ours],
        Adam(momentum_dtype=momentum_dtype, epsilon=1e-7),
        LearningRate(0.01, 100, decay="constant"),
        weight_decay=0.1,
    )
    keras_s = keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-7)
    keras_s.build([theirs])
    for step in range(20):
        gradient = tf.constant(rng.normal(size=start.shape).astype(np.float32))
        optimizer.apply([gradient], tf.constant(step, tf.int64))
        keras_s.apply([gradient])
    # Of 20 steps of 0.01; rounding m to bfloat16 moves each by up to 1 in 256.
    tolerance = 2e-5 if momentum_dtype == "float32" else 2e-3
    np.testing.assert_allclose(ours, theirs, atol=tolerance)
    assert np.abs(start - ours.numpy()).max() > 0.05


@pytest.mark.parametrize("momentum_dtype", ["float32", "bfloat16"])
def test_adam_is_its_formula(rng, momentum_dtype):
    """In float64, and rounding m as it is kept."""
    import ml_dtypes

    kept = np.float64 if momentum_dtype == "float32" else ml_dtypes.bfloat16
    w = rng.normal(size=9)
    weight = keras.Variable(w.astype(np.float32), name="kernel")
    rule = Adam(0.8, 0.99, 1e-2, momentum_dtype)
    optimizer = Optimizer([weight], rule, LearningRate(0.1, 20, 3, "cosine"))
    m, v = np.zeros(9), np.zeros(9)
    for step in range(15):
        g = rng.normal(size=9).astype(np.float32)
        optimizer.apply([tf.constant(g)], tf.constant(step, tf.int64))
        m, v = 0.8 * m + 0.2 * g, 0.99 * v + 0.01 * g.astype(np.float64) ** 2
        corrected = m / (1 - 0.8 ** (step + 1))
        m = m.astype(kept).astype(np.float64)
        root = np.sqrt(v / (1 - 0.99 ** (step + 1)))
        w = w - float(optimizer.schedule(step)) * corrected / (root + 1e-2)
    np.testing.assert_allclose(weight, w, atol=2e-5 if kept == np.float64 else 2e-3)


@pytest.mark.parametrize(
    ("follows", "factor"),
    [("rate", 1 - 0.1 * 0.5 * 0.5), ("schedule", 1 - 0.5 * 0.5)],
)
def test_decay_shrinks_kernels_and_leaves_the_rest(rng, follows, factor):
    """At half of the schedule, with a peak of 0.1 and a decay of 0.5."""
    model = randomize(
        tiny_vit(num_registers=1, layer_scale=0.1, pooling="map", qk_norm=True), rng
    )
    before = {weight.path: weight.numpy() for weight in model.weights}
    optimizer = Optimizer(
        model.trainable_variables,
        Adam(),
        LearningRate(0.1, 10),
        weight_decay=0.5,
        weight_decay_scaling=follows,
    )
    gradients = [tf.zeros(weight.shape) for weight in model.trainable_variables]
    optimizer.apply(gradients, tf.constant(5, tf.int64))
    for weight in model.trainable_variables:
        expected = factor if weight.path.endswith("kernel") else 1
        np.testing.assert_allclose(
            weight.numpy(), expected * before[weight.path], rtol=1e-5
        )


def test_layers_below_learn_more_slowly():
    model = tiny_vit(num_layers=3)
    factors = lr_multipliers(model, 0.5, {"head/*": 10, "head/bias": 2})
    assert factors["head/kernel"] == 10
    assert factors["head/bias"] == 20
    assert factors["norm/gamma"] == 1
    assert factors["block_02/mlp/fc1/kernel"] == 0.5
    assert factors["block_00/norm1/beta"] == 0.125
    assert factors["patch_encoder/projection/kernel"] == 0.0625
    assert factors["patch_encoder/class_token"] == 0.0625
    assert factors.keys() == {weight.path for weight in model.trainable_variables}


def test_a_factor_scales_the_step():
    weights = [keras.Variable(1.0, name=name) for name in ("one", "two")]
    optimizer = Optimizer(
        weights,
        SGD(0.0),
        LearningRate(0.1, 10, decay="constant"),
        lr_multipliers={"two": 3.0},
    )
    optimizer.apply([tf.constant(1.0)] * 2, tf.constant(0))
    np.testing.assert_allclose([float(one) for one in weights], [0.9, 0.7], rtol=1e-6)


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ValueError, match="Received: 'haed.*matches none"):
        lr_multipliers(tiny_vit(), patterns={"haed/*": 10})
