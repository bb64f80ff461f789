"""Table 8 of the paper, and rotary positions, in whole models."""

import keras
import numpy as np
import pytest

from keras_vit import inspect
from keras_vit.layers.position_embedding import POSITION_EMBEDDINGS
from keras_vit.training.optimizers import NOT_DECAYED, lr_multipliers
from support.models import randomize, tiny_vit
from support.oracle import Oracle

IMAGES = np.random.default_rng(1).uniform(0, 255, (2, 16, 24, 3)).astype("float32")
ALL = [
    (kind, place) for kind, places in POSITION_EMBEDDINGS.items() for place in places
]
LEARNED = [one for one in ALL if one[0] not in ("none", "sincos_2d", "rope_2d")]


def built(kind, place, **arguments):
    model = tiny_vit(position_embedding=kind, position_embedding_at=place, **arguments)
    return randomize(model, np.random.default_rng(0), scale=0.5)


def positions_of(model):
    """The shapes of its position tables, by path."""
    return {w.path: tuple(w.shape) for w in model.weights if "_embedding" in w.path}


@pytest.mark.one_in(8)
@pytest.mark.parametrize("tokens", [{}, {"pooling": "gap", "num_registers": 2}])
@pytest.mark.parametrize(
    ("kind", "place"), [one for one in ALL if one[0] != "sincos_2d"]
)
def test_loops_over_patches_give_the_same_logits_and_attention(kind, place, tokens):
    model = built(kind, place, **tokens)
    oracle = Oracle(
        {w.path: w.numpy() for w in model.weights},
        patch=8,
        heads=2,
        pooling=tokens.get("pooling", "token"),
        rotary=(2, 3) if kind == "rope_2d" else None,
    )
    logits, attentions = oracle((IMAGES - 127.5) / 127.5)
    np.testing.assert_allclose(model(IMAGES), logits, atol=5e-5, rtol=5e-5)
    maps = inspect.attention_maps(model, IMAGES)
    np.testing.assert_allclose(maps, attentions, atol=2e-5)


def test_a_table_has_the_shape_of_what_it_tells_apart():
    shapes = {
        one: positions_of(
            tiny_vit(
                position_embedding=one[0], position_embedding_at=one[1], num_registers=2
            )
        )
        for one in ALL
    }
    table, x, y = (1, 1 + 6, 16), (3, 8), (2, 8)
    assert shapes == {
        ("learned", "input"): {"patch_encoder/position_embedding": table},
        ("learned", "every_layer"): {
            "positions_00/position_embedding": table,
            "positions_01/position_embedding": table,
        },
        ("learned", "every_layer_shared"): {"positions/position_embedding": table},
        ("none", "input"): {},
        ("sincos_2d", "input"): {},
        ("learned_2d", "input"): {
            "patch_encoder/position_embedding_x": x,
            "patch_encoder/position_embedding_y": y,
        },
        ("learned_2d", "every_layer"): {
            f"positions_{block}/position_embedding_{axis}": shape
            for block in ("00", "01")
            for axis, shape in (("x", x), ("y", y))
        },
        ("learned_2d", "every_layer_shared"): {
            "positions/position_embedding_x": x,
            "positions/position_embedding_y": y,
        },
        ("factorized", "input"): {
            "patch_encoder/position_embedding_x": (3, 16),
            "patch_encoder/position_embedding_y": (2, 16),
        },
        ("factorized", "every_layer"): {
            f"positions_{block}/position_embedding_{axis}": shape
            for block in ("00", "01")
            for axis, shape in (("x", (3, 16)), ("y", (2, 16)))
        },
        ("factorized", "every_layer_shared"): {
            "positions/position_embedding_x": (3, 16),
            "positions/position_embedding_y": (2, 16),
        },
        ("relative", "every_layer"): {  # of 11 offsets, 8 features of a head
            f"block_{block}/attention/relative/offset_embedding": (11, 8)
            for block in ("00", "01")
        },
        ("rope_2d", "every_layer"): {},
    }


@pytest.mark.parametrize(("kind", "place"), LEARNED)
def test_all_positions_learn_without_weight_decay(kind, place):
    import tensorflow as tf

    model = built(kind, place, pooling="gap")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(IMAGES, training=True) ** 2)
    by_path = dict(
        zip(
            [w.path for w in model.trainable_weights],
            tape.gradient(loss, [w.value for w in model.trainable_weights]),
            strict=True,
        )
    )
    for path in positions_of(model):
        assert np.abs(by_path[path]).max() > 0
        assert path.endswith(NOT_DECAYED)


@pytest.mark.one_in(6)
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("learned", "every_layer_shared"),
        ("learned_2d", "every_layer"),
        ("factorized", "input"),
        ("relative", "every_layer"),
        ("rope_2d", "every_layer"),
    ],
)
def test_a_saved_model_keeps_its_positions(kind, place, tmp_path):
    model = built(kind, place, num_registers=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [w.path for w in loaded.weights] == [w.path for w in model.weights]
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    np.testing.assert_array_equal(
        inspect.attention_rollout(loaded, IMAGES),
        inspect.attention_rollout(model, IMAGES),
    )


def test_positions_inside_attention_tell_patches_that_change_places_apart():
    """Which a model without positions cannot do."""
    swapped = np.concatenate([IMAGES[:, 8:], IMAGES[:, :8]], axis=1)
    without = built("none", "input")
    np.testing.assert_allclose(without(IMAGES), without(swapped), atol=2e-5)
    for kind in ("relative", "rope_2d"):
        model = built(kind, "every_layer")
        assert np.abs(model(IMAGES) - model(swapped)).max() > 1e-3


def test_positions_of_a_block_learn_as_fast_as_the_block():
    factors = lr_multipliers(built("learned", "every_layer"), layer_decay=0.5)
    for block in ("00", "01"):
        positions = factors[f"positions_{block}/position_embedding"]
        assert positions == factors[f"block_{block}/mlp/fc1/kernel"]
    factors = lr_multipliers(built("learned", "every_layer_shared"), layer_decay=0.5)
    first = factors["patch_encoder/projection/kernel"]
    assert factors["positions/position_embedding"] == first == 0.5**3
