import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from keras_vit.layers.sincos import sincos_2d
from keras_vit.weights.positions import METHODS, resize_grid, resize_weight


def test_bilinear_equals_the_references_zoom(fixtures):
    tables = np.load(fixtures / "posembed_zoom.npz")
    compared = 0
    for name in tables.files:
        if name.startswith("old"):
            continue
        kind, old, _, new = name.split("_")
        (old, _), (new, _) = (side.split("x") for side in (old, new))
        old, new, first = int(old), int(new), int(kind == "tok")
        grid = tables[f"old_{old}x{old}_tok"][0, 1:].reshape(old, old, -1)
        resized = resize_grid(grid, (new, new), "bilinear").reshape(new * new, -1)
        np.testing.assert_allclose(resized, tables[name][0, first:], atol=1e-6)
        compared += 1
    assert compared == 54


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_table_stays_constant(method):
    table = np.full((5, 4, 2), 3.0, np.float32)
    resized = resize_grid(table, (9, 2), method)
    np.testing.assert_allclose(resized, np.full((9, 2, 2), 3.0), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_own_grid_changes_nothing(method, rng):
    table = rng.normal(size=(4, 6, 3)).astype(np.float32)
    matrices = METHODS[method](4, 4), METHODS[method](6, 6)
    for matrix in matrices:
        np.testing.assert_allclose(matrix, np.eye(len(matrix)), atol=1e-12)
    assert resize_grid(table, (4, 6), method) is table


def test_sines_and_cosines_are_the_references(fixtures):
    tables = np.load(fixtures / "posemb_sincos2d.npz")
    for name in ("pe_4x4x32", "pe_3x5x32", "pe_14x14x16", "pe_7x7x8"):
        height, width, dim = map(int, name.removeprefix("pe_").split("x"))
        ours = sincos_2d(height, width, dim)
        np.testing.assert_allclose(ours, tables[name][0], atol=1e-6)
    ours = sincos_2d(4, 4, 32, temperature=100)
    np.testing.assert_allclose(ours, tables["pe_4x4x32_temp100"][0], atol=1e-6)


def test_a_width_that_4_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="that 4 divides"):
        sincos_2d(2, 2, 10)


def test_columns_and_rows_are_interpolated_each_along_its_axis(rng):
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    new_x = resize_weight("a/position_embedding_x", x, (2, 3), (4, 5), "bilinear")
    new_y = resize_weight("a/position_embedding_y", y, (2, 3), (4, 5), "bilinear")
    for table, new, count in ((x, new_x, 5), (y, new_y, 4)):
        places = np.linspace(0, len(table) - 1, count)
        expected = [np.interp(places, range(len(table)), v) for v in table.T]
        np.testing.assert_allclose(new, np.transpose(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new"), [((2, 3), (4, 4)), ((4, 4), (2, 3)), ((1, 3), (2, 2))]
)
def test_an_offsets_key_is_the_mean_of_its_pairs_of_patches(old, new, rng):
    """Each pair's, interpolated among the old offsets of rows and columns."""
    n = old[0] * old[1]
    table = rng.normal(size=(2 * n - 1, 2))
    lengths = [2 * side - 1 for side in old]
    in_grid = np.zeros((*lengths, 2))
    for row, column in np.ndindex(*lengths):
        offset = (row - old[0] + 1) * old[1] + column - old[1] + 1
        in_grid[row, column] = table[n - 1 + offset]
    by_offset = {}
    for p_q in np.ndindex(*new):
        for p_k in np.ndindex(*new):
            offset = np.subtract(p_k, p_q)
            place = [
                (step + many - 1) * (few - 1) / max(many - 1, 1)
                for step, few, many in zip(offset, old, new, strict=True)
            ]
            key = [
                map_coordinates(in_grid[..., f], np.reshape(place, (2, 1)), order=1)[0]
                for f in range(2)
            ]
            by_offset.setdefault(offset @ [new[1], 1], []).append(key)
    expected = [np.mean(keys, axis=0) for _, keys in sorted(by_offset.items())]
    resized = resize_weight("a/offset_embedding", table, old, new, "bilinear")
    np.testing.assert_allclose(resized, expected, atol=1e-6)


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.parametrize(("old", "new"), [((2, 3), (4, 4)), ((4, 5), (3, 7))])
def test_biases_are_interpolated_over_offsets_and_those_of_a_token_stay(
    old, new, others, rng
):
    shape = [2 * side - 1 for side in old]
    table = rng.normal(size=(shape[0] * shape[1] + others, 2))
    path = "block_00/attention/relative_bias/table"
    resized = resize_weight(path, table, old, new, "bilinear")
    grid = table[: shape[0] * shape[1]].reshape(*shape, 2)
    lengths = [2 * side - 1 for side in new]
    for row, column in np.ndindex(*lengths):
        place = [  # the farthest offset stays the farthest
            step * (few - 1) / (many - 1)
            for step, few, many in zip((row, column), shape, lengths, strict=True)
        ]
        expected = [
            map_coordinates(grid[..., h], np.reshape(place, (2, 1)), order=1)[0]
            for h in range(2)
        ]
        found = resized[row * lengths[1] + column]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(
        resized[lengths[0] * lengths[1] :], table[len(table) - others :]
    )


def test_a_weight_that_is_no_table_of_positions_stays(rng):
    kernel = rng.normal(size=(3, 4))
    path = "patch_encoder/projection/kernel"
    assert resize_weight(path, kernel, (2, 3), (4, 4), "bilinear") is kernel
