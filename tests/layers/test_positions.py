"""Positions layer by layer; `test_position_embeddings` has them in models."""

import numpy as np
import pytest

from keras_vit import layers
from keras_vit.layers.sincos import sincos_2d


def encoder(**arguments):
    built = layers.PatchEncoder(hidden_dim=8, **arguments)
    built(np.zeros((1, 2, 3, 5), "float32"))
    return built


def test_an_encoder_gives_the_vectors_of_its_patches():
    learned = encoder(distillation_token=True)
    np.testing.assert_array_equal(
        learned.position_vectors(), learned.positions[0, 2:].numpy().reshape(2, 3, 8)
    )
    fixed = encoder(position_embedding="sincos_2d").position_vectors()
    np.testing.assert_array_equal(fixed.reshape(6, 8), sincos_2d(2, 3, 8))
    assert encoder(position_embedding="none").position_vectors() is None


def test_vectors_of_columns_and_rows_stand_side_by_side(rng):
    built = encoder(position_embedding="learned_2d")
    x, y = (table.numpy() for table in built.tables)
    vectors = built.position_vectors()
    for row in range(2):
        for column in range(3):
            np.testing.assert_array_equal(vectors[row, column, :4], x[column])
            np.testing.assert_array_equal(vectors[row, column, 4:], y[row])
    patches = rng.normal(size=(1, 2, 3, 5)).astype("float32")
    without = built.projection(patches)
    z = built(patches)[0, 1:]  # without the class token, which has no place
    np.testing.assert_allclose(
        z, (without[0] + vectors).numpy().reshape(6, 8), atol=1e-6
    )
    np.testing.assert_array_equal(built(patches)[0, 0], built.first_tokens[0][0, 0])


def test_factorized_vectors_are_those_of_a_column_and_of_a_row_added():
    built = encoder(position_embedding="factorized")
    x, y = (table.numpy() for table in built.tables)
    vectors = built.position_vectors()
    for row in range(2):
        for column in range(3):
            expected = x[column] + y[row]
            np.testing.assert_allclose(vectors[row, column], expected, atol=1e-7)


def test_registers_and_other_tokens_have_no_position(rng):
    z = rng.normal(size=(2, 10, 8)).astype("float32")  # 1 + 3 registers + 2 x 3
    for kind, without in (
        ("learned", slice(1, 4)),
        ("learned_2d", slice(0, 4)),
        ("factorized", slice(0, 4)),
    ):
        positions = layers.PositionEmbedding(kind, (2, 3), num_first_tokens=1)
        added = np.asarray(positions(z)) - z
        assert not added[:, without].any()
        np.testing.assert_allclose(
            added[:, 4:].reshape(2, 2, 3, 8),
            np.stack([positions.position_vectors()] * 2),
            atol=1e-6,
        )


@pytest.mark.parametrize("grid", [(1, 1), (1, 4), (3, 1), (2, 3)])
@pytest.mark.parametrize("others", [0, 2])
def test_the_bias_is_the_querys_product_with_the_offsets_key(grid, others, rng):
    n = grid[0] * grid[1]
    layer = layers.RelativePositions(grid)
    q = rng.normal(size=(2, 3, others + n, 4)).astype("float32")
    bias = np.asarray(layer(q))
    keys = layer.offsets.numpy()
    assert len(keys) == 2 * n - 1
    expected = np.zeros_like(bias)
    for p_q in range(n):
        for p_k in range(n):
            of_pair = q[:, :, others + p_q] @ keys[n - 1 - (p_q - p_k)]
            expected[:, :, others + p_q, others + p_k] = of_pair
    np.testing.assert_allclose(bias, expected, atol=1e-6)


def test_a_product_of_turned_vectors_depends_on_the_offset_alone(rng):
    grid = (4, 5)
    q, k = rng.normal(size=(2, 8)).astype("float32")
    turn = layers.RotaryPositions(grid)
    turned_q, turned_k = (  # the same vector as every patch
        np.reshape(turn(np.tile(one, (1, 1, 20, 1))), (*grid, 8)) for one in (q, k)
    )
    by_offset = {}
    for place_q in np.ndindex(grid):
        for place_k in np.ndindex(grid):
            offset = tuple(np.subtract(place_q, place_k))
            product = turned_q[place_q] @ turned_k[place_k]
            by_offset.setdefault(offset, []).append(product)
    for products in by_offset.values():
        np.testing.assert_allclose(products, products[0], atol=1e-5)
    assert by_offset[0, 0][0] == pytest.approx(q @ k, abs=1e-5)
    apart = np.unique(np.round([some[0] for some in by_offset.values()], 4))
    assert len(apart) == len(by_offset) == 7 * 9


def test_turning_leaves_tokens_that_are_no_patches(rng):
    q = rng.normal(size=(2, 3, 2 + 6, 8)).astype("float32")
    answer = layers.RotaryPositions((2, 3))(q)
    np.testing.assert_array_equal(answer[:, :, :3], q[:, :, :3])  # and that of (0, 0)
    assert np.abs(answer[:, :, 3:] - q[:, :, 3:]).min(-1).max() > 1e-3
    np.testing.assert_allclose(
        np.linalg.norm(answer, axis=-1), np.linalg.norm(q, axis=-1), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: layers.MultiHeadSelfAttention(2, position_embedding="learned"),
            "one of none, relative, rope_2d. Received: .*'learned'",
        ),
        (
            lambda: layers.MultiHeadSelfAttention(2, position_embedding="relative"),
            "'relative' needs a grid",
        ),
        (
            lambda: layers.MultiHeadSelfAttention(
                2, position_embedding="rope_2d", grid=(2, 3)
            )(np.zeros((1, 7, 8)), queries=np.zeros((1, 1, 8))),
            "Queries that are no tokens have no place",
        ),
        (
            lambda: layers.RotaryPositions((2, 3))(np.zeros((1, 2, 6, 6))),
            "whose features 4 divides. Received: 6",
        ),
        (lambda: layers.PositionEmbedding("sincos_2d", (2, 3)), "'sincos_2d'"),
        (lambda: encoder(position_embedding="relative"), "one of learned, none"),
        (
            lambda: layers.PositionEmbedding("learned_2d", (2, 3))(np.zeros((1, 6, 7))),
            "halves the width of a token. Received: 7",
        ),
    ],
)
def test_positions_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
