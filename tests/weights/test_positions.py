import numpy as np
import pytest

from keras_vit.layers.sincos import sincos_2d
from keras_vit.weights.positions import METHODS, resize_grid


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
