import keras
import numpy as np
import pytest

from keras_vit import inspect
from support.models import randomize, tiny_vit

IMAGES = np.random.default_rng(1).uniform(0, 255, (3, 16, 24, 3)).astype("float32")


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ({}, slice(0, 1)),
        ({"num_registers": 2}, slice(0, 1)),
        ({"distillation": True, "num_registers": 1}, slice(0, 2)),
        ({"pooling": "gap"}, slice(0, 6)),
        ({"pooling": "gap", "fc_norm": True, "class_token": True}, slice(1, 7)),
    ],
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
