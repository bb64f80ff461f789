import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit.training.optimizers import SGD, Adam
from keras_vit.training.schedules import LearningRate
from support import models
from support.models import randomize
from support.training.steps import made

tiny_vit = functools.partial(models.tiny_vit, num_layers=1)  # one tells as much as two


def batch(rng, count=8, shape=(16, 24), classes=5):
    images = rng.integers(0, 256, (count, *shape, 3), dtype=np.uint8)
    labels = rng.integers(0, classes, count)
    return tf.constant(images), tf.one_hot(labels, classes)


@pytest.mark.parametrize(
    "jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("name", "dtype", "tolerance"),
    [("f32", "float32", 1e-4), ("bf16", "bfloat16", 2e-3)],
)
def test_eight_steps_are_those_of_the_references_fine_tuning(
    fixtures, tmp_path, name, dtype, tolerance, jit_compile
):
    tables = np.load(fixtures / f"finetune_vit_{name}.npz")
    model = keras_vit.ViT(
        image_size=32,
        patch_size=8,
        num_layers=2,
        num_heads=4,
        hidden_dim=32,
        mlp_dim=64,
        num_classes=7,
        include_preprocessing=False,
    )
    keras_vit.load_weights(model, fixtures / "vit_tiny_token.npz", head="reset")
    state, step = made(
        model,
        SGD(0.9, dtype),
        LearningRate(0.1, 8, warmup_steps=2),
        global_batch=8,
        clip_norm=1.0,
        jit_compile=jit_compile,
    )
    for k in range(8):
        images = tf.constant(tables["images"][k % 2])
        assert float(state.optimizer.schedule(k)) == pytest.approx(tables["lr_used"][k])
        told = step(images, tf.one_hot(tables["labels"][k % 2], 7))
        assert float(told["loss"]) == pytest.approx(tables["losses"][k], abs=tolerance)
        norm = float(told["gradient_norm"])
        assert norm == pytest.approx(tables["grad_norms"][k], rel=tolerance)
    logits = model(tables["images"][0])
    np.testing.assert_allclose(logits, tables["final_logits_batch0"], atol=tolerance)
    keras_vit.save_weights(model, tmp_path / "ours.npz")
    ours = np.load(tmp_path / "ours.npz")
    finals = [name for name in tables if name.startswith("final/")]
    assert len(finals) > 30
    for path in finals:
        told = ours[path.removeprefix("final/")]
        np.testing.assert_allclose(told, tables[path], atol=tolerance, err_msg=path)


def test_a_step_is_the_gradient_of_the_smoothed_cross_entropy(rng):
    """Against finite differences of the loss, computed in NumPy."""
    model = randomize(tiny_vit(), rng)
    images, targets = batch(rng, 6)
    labels = targets.numpy().argmax(1)

    def loss():
        logits = np.asarray(model(images), np.float64)
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        smooth = 0.8 * np.eye(5)[labels] + 0.2 / 5
        return -(smooth * log_p).sum(1).mean()

    bias = model.get_layer("head").bias
    start, expected, h = bias.numpy(), np.zeros(5), 1e-2
    for index in range(5):
        sides = []
        for sign in (1, -1):
            bias.assign(start + sign * h * np.eye(5)[index])
            sides.append(loss())
        expected[index] = (sides[0] - sides[1]) / (2 * h)
    bias.assign(start)
    before, accuracy = loss(), (np.argmax(model(images), 1) == labels).mean()

    _, step = made(model, label_smoothing=0.2, global_batch=6)
    told = step(images, targets)
    np.testing.assert_allclose(start - bias.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(told["loss"], before, rtol=1e-5)
    np.testing.assert_allclose(told["accuracy"], accuracy, rtol=1e-6)


def test_micro_batches_give_the_step_of_the_whole_batch(rng):
    images, targets = batch(rng)
    weights = []
    for parts in (1, 4):
        model = randomize(tiny_vit(), np.random.default_rng(0))
        _, step = made(model, global_batch=8, clip_norm=0.5, accumulation_steps=parts)
        step(images, targets)
        weights.append([weight.numpy() for weight in model.weights])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_a_batch_that_cannot_be_cut_is_refused():
    with pytest.raises(
        ValueError, match="batch_size=8, 1 replicas, accumulation_steps=3"
    ):
        made(tiny_vit(), global_batch=8, accumulation_steps=3)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_nothing_is_updated_by_what_is_not_finite_nor_after_it(rng, where):
    model = randomize(tiny_vit(), rng)
    state, step = made(model, Adam(), global_batch=8)
    images, targets = batch(rng)
    step(images, targets)
    before = {name: one.numpy() for name, one in state.variables().items()}
    if where == "loss":
        wrong = step(images, targets * np.nan)
    else:  # finite as a loss, too large as a gradient
        wrong = step(tf.cast(images, "float32"), targets * 3e38)
    assert not wrong["updated"]
    assert not step(images, targets)["updated"]
    for name, one in state.variables().items():
        np.testing.assert_array_equal(one.numpy(), before[name], err_msg=name)
    assert int(state.step) == 1


def test_the_average_follows_the_weights_and_can_be_swapped(rng):
    model = randomize(tiny_vit(), rng)
    state, step = made(model, global_batch=8, ema=0.75)
    expected = [weight.numpy() for weight in model.trainable_variables]
    images, targets = batch(rng)
    for _ in range(3):
        step(images, targets)
        for index, weight in enumerate(model.trainable_variables):
            expected[index] = 0.75 * expected[index] + 0.25 * weight.numpy()
    now = [weight.numpy() for weight in model.trainable_variables]
    state.swap_average()
    for weight, average in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(weight.numpy(), average, atol=1e-5)
    state.swap_average()
    for weight, value in zip(model.trainable_variables, now, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_dropout_follows_from_seed_and_step(rng):
    """The same step gives the same masks, whatever was drawn before it."""
    images, targets = batch(rng)

    def losses(first_step, count, seed=0):
        model = randomize(
            tiny_vit(dropout_rate=0.3, drop_path_rate=0.3, attention_dropout_rate=0.3),
            np.random.default_rng(0),
        )
        still = LearningRate(0.0, 100, decay="constant")
        state, step = made(model, rate=still, global_batch=8, seed=seed)
        state.step.assign(first_step)
        return [float(step(images, targets)["loss"]) for _ in range(count)]

    whole = losses(0, 4)
    assert len(set(whole)) == 4
    assert losses(2, 2) == whole[2:]
    assert losses(0, 4, seed=1) != whole


def test_a_frozen_layer_is_left_alone(rng):
    model = randomize(tiny_vit(), rng)
    model.get_layer("block_00").trainable = False
    before = {weight.path: weight.numpy() for weight in model.weights}
    _, step = made(model, global_batch=8)
    step(*batch(rng))
    for weight in model.weights:
        changed = (weight.numpy() != before[weight.path]).any()
        frozen = weight.path.startswith("block_00/")
        if frozen or weight.path == "head/kernel":
            assert changed != frozen, weight.path


def test_a_models_own_losses_count(rng):
    images, targets = batch(rng)
    model = randomize(tiny_vit(), rng)
    _, step = made(model, rate=LearningRate(0.0, 9), global_batch=8)
    plain = float(step(images, targets)["loss"])
    head = model.get_layer("head")
    head.kernel.regularizer = keras.regularizers.L2(0.5)
    _, step = made(model, rate=LearningRate(0.0, 9), global_batch=8)
    expected = plain + 0.5 * float((head.kernel.numpy() ** 2).sum())
    assert float(step(images, targets)["loss"]) == pytest.approx(expected, rel=1e-5)
