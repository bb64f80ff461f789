import keras
import numpy as np
import pytest

from keras_vit import inspect
from support.models import randomize, tiny_vit

GRID = 2, 3


def cosine(a, b):
    return sum(a * b) / np.sqrt(sum(a * a)) / np.sqrt(sum(b * b))


def pairwise(vectors):
    """The cosine of each two places, one pair at a time."""
    places = list(np.ndindex(GRID))
    flat = [cosine(vectors[i], vectors[j]) for i in places for j in places]
    return np.reshape(flat, GRID + GRID)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_registers": 2},
        {"distillation": True},
        {"pooling": "gap", "class_token": False},
        {"pooling": "map"},
    ],
)
def test_each_place_is_compared_with_all_by_its_learned_vector(arguments, rng):
    model = randomize(tiny_vit(**arguments), rng)
    (table,) = (w for w in model.weights if w.path.endswith("position_embedding"))
    vectors = table.numpy()[0, -6:].reshape(*GRID, 16)
    received = inspect.position_similarity(model)
    np.testing.assert_allclose(received, pairwise(vectors), atol=1e-6)


def test_vectors_of_a_column_and_a_row_lie_side_by_side(rng):
    model = randomize(tiny_vit(position_embedding="learned_2d"), rng)
    x, y = (
        next(w.numpy() for w in model.weights if w.path.endswith(f"embedding_{axis}"))
        for axis in "xy"
    )
    vectors = np.array([[np.append(x[j], y[i]) for j in range(3)] for i in range(2)])
    received = inspect.position_similarity(model)
    np.testing.assert_allclose(received, pairwise(vectors), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "temperature"), [("sincos_2d", 1e4), ("rope_2d", 1e2)]
)
def test_fixed_positions_are_alike_by_their_offset_alone(kind, temperature):
    """sin a sin b + cos a cos b = cos(a - b), averaged over frequencies."""
    model = tiny_vit(position_embedding=kind, image_size=(32, 24))
    frequencies = {
        "sincos_2d": temperature ** -np.linspace(0, 1, 4),  # D / 4 of 16
        "rope_2d": temperature ** -np.array([0, 0.5]),  # d / 4 of 8
    }[kind]
    received = inspect.position_similarity(model)
    assert received.shape == (4, 3, 4, 3)
    for i, j, k, m in np.ndindex(received.shape):
        angles = np.append((i - k) * frequencies, (j - m) * frequencies)
        assert received[i, j, k, m] == pytest.approx(np.cos(angles).mean(), abs=1e-6)


def test_positions_of_every_layer_are_asked_for_by_name(rng):
    model = randomize(tiny_vit(position_embedding_at="every_layer"), rng)
    first, second = (
        inspect.position_similarity(model, f"positions_{block:02d}") for block in (0, 1)
    )
    np.testing.assert_array_equal(inspect.position_similarity(model), first)
    vectors = model.get_layer("positions_01").tables[0].numpy()[0, 1:]
    np.testing.assert_allclose(second, pairwise(vectors.reshape(*GRID, 16)), atol=1e-6)
    with pytest.raises(ValueError, match="one of positions_00, positions_01"):
        inspect.position_similarity(model, "patch_encoder")
    shared = tiny_vit(position_embedding_at="every_layer_shared")
    assert inspect.position_similarity(shared).shape == GRID + GRID


ROTARY = {
    "pairs": {"pairs": "neighbours", "axes": "yx", "temperature": 30.0},
    "of another grid": {"reference_grid": (7, 5)},
}


@pytest.mark.parametrize("rotary", ROTARY)
def test_rotary_positions_of_a_block_are_alike_by_their_offset_alone(rotary):
    config = ROTARY[rotary]
    model = tiny_vit(block={"rotary": config}, position_embedding="none")
    w = config.get("temperature", 100.0) ** -np.array([0, 0.5])  # d / 4 of 8
    rows, columns = config.get("reference_grid", GRID)
    received = inspect.position_similarity(model)
    for i, j, k, m in np.ndindex(received.shape):
        apart = (i - k) * rows / 2, (j - m) * columns / 3
        expected = np.cos([apart[0] * w, apart[1] * w]).mean()
        assert received[i, j, k, m] == pytest.approx(expected, abs=1e-6)


def test_learned_rotary_positions_are_compared_over_all_heads(rng):
    block = {"rotary": {"frequencies": "learned"}}
    model = randomize(tiny_vit(block=block, position_embedding="none"), rng)
    (w,) = (
        one.numpy()  # of x and y, 2 heads, 4 pairs
        for one in model.weights
        if one.path == "block_01/attention/rotary/frequencies"
    )
    received = inspect.position_similarity(model, "block_01")
    for i, j, k, m in np.ndindex(received.shape):
        expected = np.cos((j - m) * w[0] + (i - k) * w[1]).mean()
        assert received[i, j, k, m] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("form", ["table", "mlp"])
def test_a_relative_bias_is_what_attention_adds_for_an_offset(form, rng):
    block = {"relative_bias": {"form": form}}
    model = randomize(tiny_vit(block=block, num_heads=4), rng)
    received = inspect.relative_biases(model)
    assert received.shape == (2, 4, 3, 5)
    for number in range(2):
        layer = model.get_layer(f"block_{number:02d}").attention.relative_bias
        added = np.asarray(layer(np.zeros((1, 4, 7, 4), "float32")))[0, :, 1:, 1:]
        for query, key in np.ndindex(6, 6):
            down, right = (
                a - b for a, b in zip(divmod(query, 3), divmod(key, 3), strict=True)
            )
            found = received[number, :, down + 1, right + 2]
            np.testing.assert_allclose(found, added[:, query, key], atol=1e-6)


def test_relative_biases_are_asked_of_models_that_have_them():
    with pytest.raises(ValueError, match="a model with relative biases in every block"):
        inspect.relative_biases(tiny_vit(block=[{"relative_bias": {}}, {}]))


@pytest.mark.parametrize("kind", ["none", "relative"])
def test_where_places_have_no_vectors_nothing_is_made_up(kind):
    with pytest.raises(ValueError, match="a position embedding for each place"):
        inspect.position_similarity(tiny_vit(position_embedding=kind))


@pytest.mark.parametrize("arguments", [{}, {"qk_norm": True, "num_registers": 2}])
def test_the_bias_of_an_offset_is_the_mean_over_all_queries(arguments, rng):
    """From the difference that positions make to the logits, for the last block."""
    model = randomize(tiny_vit(position_embedding="relative", **arguments), rng)
    images = rng.uniform(0, 255, (7, 16, 24, 3)).astype("float32")
    block = model.get_layer("block_01")
    z = keras.Model(model.input, block.input)(images)
    heads, q = 2, np.asarray(block.attention.query(block.norm1(z)))
    q = q.reshape(7, -1, heads, 8)
    if block.attention.qk_norm:
        q = np.asarray(block.attention.query_norm(q))
    q = q.transpose(0, 2, 1, 3) / np.sqrt(8)
    bias = np.asarray(block.attention.relative(q))[:, :, -6:, -6:]  # B, H, N, N
    received = inspect.relative_positions(model, images, batch_size=3)
    assert received.shape == (2, heads, 11)
    # Every offset is met by some query; undo which, by linearity in the query.
    r = np.zeros((11, 8))
    for feature in range(8):
        unit = np.zeros((1, 1, q.shape[2], 8), "float32")
        unit[..., feature] = 1
        seen = np.asarray(block.attention.relative(unit))[0, 0, -6:, -6:]
        for query, key in np.ndindex(6, 6):
            r[query - key + 5, feature] = seen[query, key]
    np.testing.assert_allclose(
        np.einsum("bhnd,od->bhno", q[:, :, -6:], r)[:, :, 0, 5], bias[:, :, 0, 0], 1e-4
    )
    expected = np.einsum("bhnd,od->ho", q[:, :, -6:], r) / (7 * 6)
    np.testing.assert_allclose(received[1], expected, atol=1e-4)


def test_offsets_are_asked_of_models_that_have_them(rng):
    with pytest.raises(ValueError, match="Expected a model with relative positions"):
        inspect.relative_positions(tiny_vit(), np.zeros((1, 16, 24, 3)))


def test_positions_of_a_model_that_was_loaded_are_the_same(rng, tmp_path):
    model = randomize(tiny_vit(num_registers=1), rng)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = inspect.position_similarity(model)
    np.testing.assert_array_equal(inspect.position_similarity(loaded), expected)
