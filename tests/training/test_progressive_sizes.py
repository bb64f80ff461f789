"""Runs whose images grow."""

import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import layers
from keras_vit.training.progressive_sizes import SmallerModel, size_of_step
from support.models import randomize, tiny_vit
from support.training.interrupted import At, ask_to_end, outcome, train
from support.training.small import small_dataset, small_recipe

SIZES = {"image_size": (32, 48)}, (16, 24)
# What of a model depends on how many patches there are.
KINDS = {
    "learned": {},
    "of columns and rows": {"position_embedding": "learned_2d"},
    "their sums": {"position_embedding": "factorized"},
    "before each block": {"position_embedding_at": "every_layer"},
    "relative": {"position_embedding": "relative"},
    "rotary": {"position_embedding": "rope_2d"},
    "registers, no class token": {"num_registers": 2, "pooling": "gap"},
    "biases of offsets": {"position_embedding": "none", "block": {"relative_bias": {}}},
    "hybrid": {"stem": layers.ResNetStem((), 0.5), "patch_size": 2},
}
RECIPE = small_recipe(
    model_arguments={
        **small_recipe().model.arguments,
        "patch_size": 4,
        "patch_dropout_rate": 0.25,
    },
    epochs=2,
    checkpoint_every=2,
    ema=0.9,
    progressive_sizes=(8, 12),
)


def shrunk(images, size):
    return tf.image.resize(images, size, antialias=True)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((), [None] * 5),
        ((16,), [16, 16, 16, None, None]),
        ((16, 24), [16, 16, 24, 24, None]),
        ((8, 8, 16), [8, 8, 8, 16, None]),
    ],
)
def test_parts_are_equally_long_and_the_last_is_of_the_models_size(sizes, expected):
    assert [size_of_step(step, 5, sizes) for step in range(5)] == expected


@pytest.mark.one_in(4)
@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_the_resized_model(kind, rng):
    arguments, size = SIZES
    model = randomize(tiny_vit(**arguments, **KINDS[kind]), rng)
    images = rng.integers(0, 256, (3, 32, 48, 3)).astype("float32")
    expected = keras_vit.resize(model, size)(shrunk(images, size))
    found = SmallerModel(model, size)(images, training=False)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("kind", ["learned", "relative"])
def test_gradients_of_positions_are_differences_of_logits(kind, rng):
    arguments, size = SIZES
    model = randomize(tiny_vit(**arguments, **KINDS[kind]), rng, scale=0.1)
    (table,) = [
        weight
        for weight in model.trainable_variables
        if weight.path.endswith(("position_embedding", "offset_embedding"))
    ][:1]
    images = rng.integers(0, 256, (2, 32, 48, 3)).astype("float32")
    smaller = SmallerModel(model, size)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(smaller(images, training=False) ** 2)
    gradient = tape.gradient(total, table.value).numpy()
    way = rng.normal(size=table.shape).astype("float32")
    before, totals = table.numpy(), []
    for sign in (1, -1):
        table.assign(before + sign * 1e-2 * way)
        logits = keras_vit.resize(model, size)(shrunk(images, size))
        totals.append(float(tf.reduce_sum(logits**2)))
    slope = (totals[0] - totals[1]) / 2e-2
    assert np.sum(gradient * way) == pytest.approx(slope, rel=2e-2, abs=1e-3)


def test_every_weight_of_the_model_learns_from_smaller_images(rng):
    model = randomize(tiny_vit(image_size=32, num_registers=1), rng)
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype("float32")
    with tf.GradientTape() as tape:
        logits = SmallerModel(model, 16)(images, training=True)
        loss = tf.reduce_sum(logits * rng.normal(size=logits.shape))
    weights = model.trainable_variables
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_statistics_of_batches_are_the_models(rng):
    stem = layers.ConvStem((8, 8), (2, 2))
    model = tiny_vit(image_size=32, stem=stem, patch_size=2)
    means = [one for one in model.weights if one.path.endswith("moving_mean")]
    before = [one.numpy() for one in means]
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype("float32")
    tf.function(SmallerModel(model, 16))(images, training=True)
    assert len(means) == 2
    assert all(
        np.abs(one - then).max() > 0 for one, then in zip(means, before, strict=True)
    )


@pytest.mark.slow
def test_a_run_that_is_ended_goes_on_to_the_same_bits(tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "ended").mkdir()
    whole = train(tmp_path / "whole", recipe=RECIPE)
    for step in (3, 2):  # in the first part and in the second
        with pytest.raises(SystemExit):
            stop = At("on_train_batch_end", step, ask_to_end)
            train(tmp_path / "ended", [stop], RECIPE)
    assert outcome(train(tmp_path / "ended", recipe=RECIPE)) == outcome(whole)


@pytest.mark.slow
def test_each_part_trains_on_its_size(tmp_path, monkeypatch):
    seen = []
    plain = SmallerModel.__call__

    def noted(self, images, training=None):
        seen.append(self._smaller.input_shape[1])
        return plain(self, images, training)

    monkeypatch.setattr(SmallerModel, "__call__", noted)
    run = train(tmp_path, recipe=RECIPE)
    assert seen == [8, 12]  # each traced once, in turn
    assert run.model.input_shape == (None, 16, 16, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"progressive_sizes": (16,)}, r"below .* 16 x 16. Received: 16"),
        ({"progressive_sizes": (4,)}, "at least one patch"),
        ({"progressive_sizes": (8,), "lora_rank": 2}, "not those of LoRA"),
        (
            {"progressive_sizes": (8,), "masked_patches": "mean_color"},
            "tasks that train the model itself",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_step(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        keras_vit.train(
            small_recipe(**settings), dataset=small_dataset(), folder=tmp_path / "run"
        )
    assert not (tmp_path / "run" / "model.keras").exists()
