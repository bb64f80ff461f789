import itertools

import keras
import numpy as np
import pytest

from keras_vit import inspect
from support.models import randomize, tiny_vit
from support.often import often

IMAGES = np.random.default_rng(1).uniform(0, 255, (3, 16, 24, 3)).astype("float32")


@pytest.mark.parametrize(
    ("arguments", "rows"),
    often(
        [
            ({}, slice(0, 1)),
            ({"num_registers": 2}, slice(0, 1)),
            ({"distillation": True, "num_registers": 1}, slice(0, 2)),
            ({"pooling": "gap"}, slice(0, 6)),
            ({"pooling": "gap", "fc_norm": True, "class_token": True}, slice(1, 7)),
            (
                {
                    "pooling": {"kind": "gap", "prefix_tokens": True},
                    "class_token": True,
                    "num_registers": 1,
                },
                slice(0, 8),
            ),
        ],
        [{}, {"pooling": "gap", "fc_norm": True, "class_token": True}],
    ),
)
def test_a_head_s_map_is_the_rows_that_pooling_reads(arguments, rows, rng):
    model = randomize(tiny_vit(**arguments), rng)
    maps = inspect.head_maps(model, IMAGES)
    for block, a in enumerate(inspect.attention_maps(model, IMAGES)):
        expected = a[:, :, rows, -6:].mean(2).reshape(3, 2, 2, 3)
        np.testing.assert_allclose(maps[block], expected, atol=1e-6)


def test_pooling_by_attention_weighs_the_rows_of_patches(rng):
    model = randomize(tiny_vit(pooling="map", num_registers=2), rng)
    maps = inspect.head_maps(model, IMAGES)
    pool = model.get_layer("pooling")
    z = keras.Model(model.input, pool.input)(IMAGES)
    weights = np.asarray(pool.scores(z)).mean(1)[:, 0]  # B, P
    for block, a in enumerate(inspect.attention_maps(model, IMAGES)):
        expected = np.einsum("bp,bhpq->bhq", weights, a[:, :, -6:, -6:])
        expected = expected.reshape(3, 2, 2, 3)
        np.testing.assert_allclose(maps[block], expected, atol=1e-6)


def test_pooling_by_attention_weighs_the_rows_of_other_tokens_too(rng):
    pooling = {"kind": "map", "prefix_tokens": True, "num_heads": 4}
    model = tiny_vit(pooling=pooling, class_token=True, num_registers=2)
    randomize(model, rng)
    maps = inspect.head_maps(model, IMAGES)
    pool = model.get_layer("pooling")
    z = keras.Model(model.input, pool.input)(IMAGES)
    weights = np.asarray(pool.scores(z)).mean(1)[:, 0]
    assert weights.shape == (3, 9)
    for block, a in enumerate(inspect.attention_maps(model, IMAGES)):
        expected = np.einsum("bm,bhmq->bhq", weights, a[..., -6:])
        expected = expected.reshape(3, 2, 2, 3)
        np.testing.assert_allclose(maps[block], expected, atol=1e-6)


def test_of_the_class_token_and_the_mean_the_map_is_the_mean_of_both(rng):
    model = randomize(tiny_vit(pooling="token_gap", num_registers=2), rng)
    maps = inspect.head_maps(model, IMAGES)
    for block, a in enumerate(inspect.attention_maps(model, IMAGES)):
        expected = a[:, :, 0, -6:] / 2 + a[:, :, -6:, -6:].mean(2) / 2
        expected = expected.reshape(3, 2, 2, 3)
        np.testing.assert_allclose(maps[block], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "prefix_tokens"),
    often(itertools.product(["max", "gap_max"], [False, True]), [("gap_max", True)]),
)
def test_of_the_largest_a_row_counts_by_the_features_it_is_read_for(
    kind, prefix_tokens, rng
):
    pooling = {"kind": kind, "prefix_tokens": prefix_tokens}
    model = randomize(tiny_vit(pooling=pooling, num_registers=1), rng)
    maps = inspect.head_maps(model, IMAGES)
    tokens = 7 if prefix_tokens else 6
    norm = model.get_layer("norm")
    z = np.asarray(keras.Model(model.input, norm.output)(IMAGES))[:, -tokens:]
    for block, a in enumerate(inspect.attention_maps(model, IMAGES)):
        rows = a[:, :, -tokens:, -6:]
        for image in range(3):
            winners = [int(np.argmax(z[image, :, d])) for d in range(16)]
            expected = sum(rows[image, :, token] for token in winners) / 16
            if kind == "gap_max":
                expected = expected / 2 + rows[image].mean(1) / 2
            expected = expected.reshape(2, 2, 3)
            np.testing.assert_allclose(maps[block, image], expected, atol=1e-6)


def test_a_model_that_pools_nothing_has_no_map():
    model = tiny_vit(pooling=None, num_classes=None)
    for look in (inspect.head_maps, inspect.attention_rollout):
        with pytest.raises(ValueError, match="a model that pools its tokens, so that"):
            look(model, IMAGES)
