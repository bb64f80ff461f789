"""The figures of an inspection show the numbers they were given."""

import numpy as np
import pytest

from keras_vit import figures
from keras_vit.figures.mosaic import mosaic
from support.figures import LONG, inside


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_a_mosaic_is_its_tiles_with_nothing_between_them(rng):
    tiles = rng.random((2, 3, 4, 5))
    whole = mosaic(tiles, gap=2)
    assert whole.shape == (2 * 4 + 2, 3 * 5 + 2 * 2)
    np.testing.assert_array_equal(whole[6:10, 7:12], tiles[1, 1])
    assert np.isnan(whole).sum() == whole.size - tiles.size


def test_a_map_stands_beside_its_picture_and_over_it(rng):
    images, maps = rng.uniform(0, 255, (3, 16, 24, 3)), rng.random((3, 2, 3))
    figure = figures.maps_over_pictures(
        images, maps, (8, 8), ("cat", "$dog", "猫"), title="Rollout", label="Share"
    )
    *panels, bar = figure.axes
    assert len(panels) == 9
    for number in range(3):
        picture, alone, over = panels[3 * number : 3 * number + 3]
        np.testing.assert_array_equal(
            picture.images[0].get_array(), images[number].astype(np.uint8)
        )
        np.testing.assert_array_equal(alone.images[0].get_array(), maps[number])
        np.testing.assert_array_equal(over.images[1].get_array(), maps[number])
        assert over.images[1].get_extent() == [0, 24, 16, 0]
        assert {one.images[-1].norm.vmax for one in (alone, over)} == {maps.max()}
    assert bar.get_xlabel() == "Share"
    assert {"cat", "$dog", "猫", "Rollout"} <= set(texts(figure))


def test_a_map_veils_its_picture_by_its_own_values_alone(rng):
    maps = np.array([[[0.0, 2.0], [4.0, 8.0]]])
    images = rng.uniform(0, 255, (1, 16, 16, 3))
    for limits, expected in (
        (None, [[0, 0.25], [0.5, 1]]),
        ((2.0, 6.0), [[0, 0], [0.5, 1]]),
    ):
        figure = figures.maps_over_pictures(
            images, maps, (8, 8), "x", title="", label="", limits=limits
        )
        over = figure.axes[2]
        np.testing.assert_allclose(over.images[1].get_alpha(), expected)
        np.testing.assert_array_equal(over.images[0].get_array(), images[0].mean(-1))
        assert over.images[0].get_clim() == (0, 255)
    even = figures.maps_over_pictures(
        images, 0 * maps, (8, 8), "x", title="", label="", limits=(0.0, 0.0)
    )
    assert not even.axes[2].images[1].get_alpha().any()


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("shape", [(24, 16), (16, 16), (16, 40)])
def test_long_names_of_classes_stand_whole_above_their_maps(count, shape, rng):
    lines = f"true: {LONG} (n02100583_1234.JPEG)", f"predicted, 93.1 %: {LONG}"
    figure = figures.maps_over_pictures(
        rng.uniform(0, 255, (count, *shape, 3)),
        rng.random((count, 2, 2)),
        (8, 8),
        ["\n".join(lines)] * count,
        title="Grad-CAM",
        label="",
    )
    shown = [text.replace("\n", " ") for text in texts(figure)]
    assert shown.count(" ".join(lines)) == count
    assert inside(figure)
    names = [text for text in figure.texts if text.get_text().startswith("true")]
    for number, name in enumerate(names):
        [below] = {figure.axes[3 * number].get_position().y1}
        box = name.get_window_extent().transformed(figure.transFigure.inverted())
        assert box.y0 > below  # it covers no picture


def test_a_map_of_a_model_that_leaves_pixels_out_covers_the_others(rng):
    """37 x 35 pixels in patches of 8 are 4 x 4 cells; 5 rows and 3 columns are not."""
    figure = figures.maps_over_pictures(
        rng.uniform(0, 255, (1, 37, 35, 3)),
        rng.random((1, 4, 4)),
        (8, 8),
        "x",
        title="",
        label="",
    )
    assert figure.axes[1].images[0].get_extent() == [0, 32, 32, 0]
    assert figure.axes[1].get_ylim() == (37, 0)


def test_of_many_pictures_the_first_are_shown(rng, monkeypatch):
    monkeypatch.setattr("keras_vit.figures.maps.MOST_PICTURES", 4)
    images, maps = rng.uniform(0, 255, (9, 8, 8, 3)), rng.random((9, 2, 2))
    figure = figures.maps_over_pictures(
        images, maps, (4, 4), ["x"] * 9, title="", label=""
    )
    assert len(figure.axes) == 3 * 4 + 1


@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (2, 3), (32, 16)])
def test_each_head_has_its_map_in_a_grid_of_heads_and_layers(layers, heads, rng):
    maps = rng.random((layers, heads, 4, 6))
    figure = figures.head_maps(
        np.zeros((8, 12, 3)), maps, (2, 2), "$a", title="Heads", label=""
    )
    axes = figure.axes[1]
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    last = maps[-1, -1]
    np.testing.assert_array_equal(shown[-4:, -6:], last)
    np.testing.assert_array_equal(shown[:4, :6], maps[0, 0])
    assert [int(tick.get_text()) for tick in axes.get_yticklabels()] == [
        *range(1, heads + 1)
    ]
    assert axes.get_xlabel() == "Network depth (layer)"


def test_attention_distance_has_a_point_for_each_head(rng):
    distances = rng.uniform(5, 90, (4, 3))
    axes = figures.attention_distance(distances, 77.0, "Distance").axes[0]
    points, means, even = axes.lines
    np.testing.assert_array_equal(points.get_xdata(), np.repeat([1, 2, 3, 4], 3))
    np.testing.assert_array_equal(points.get_ydata(), distances.ravel())
    np.testing.assert_allclose(means.get_ydata(), distances.mean(1))
    assert set(even.get_ydata()) == {77.0}
    assert axes.get_ylabel() == "Mean attention distance (pixels)"


def test_token_norms_are_counted_and_followed_through_the_layers(rng):
    norms = rng.gamma(9, 2, (3, 5, 2, 4))
    left, right = figures.token_norms(norms, "Norms").axes
    np.testing.assert_allclose(
        left.lines[0].get_ydata(), np.median(norms.reshape(3, -1), axis=1)
    )
    assert sum(bar.get_height() for bar in right.patches) == 40
    assert right.get_title() == "After layer 2"


def test_similarity_of_layers_has_the_first_layers_at_the_lower_left(rng):
    values = rng.random((2, 5))
    axes = figures.similarity_of_layers(values, ("$a", "b"), "CKA").axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), values)
    assert axes.get_ylim() == (-0.5, 1.5)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("Layer of $a", "Layer of b")


def test_filters_are_scaled_by_their_largest_weight(rng):
    filters = rng.normal(size=(9, 4, 4, 3))
    axes = figures.patch_filters(filters, "Filters").axes[0]
    shown = axes.images[0].get_array()
    scaled = 0.5 + 0.5 * filters[8] / np.abs(filters[8]).max()
    np.testing.assert_allclose(shown[5:9, 5:9], scaled)  # the second of the second row
    assert [text.get_text() for text in axes.texts] == [*"123456789"]


def test_each_place_has_its_similarities_at_its_place(rng):
    similarity = rng.uniform(-1, 1, (3, 4, 3, 4))
    axes = figures.position_similarity(similarity, "Positions").axes[0]
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown[-3:, -4:], similarity[2, 3])
    np.testing.assert_array_equal(shown[:3, 5:9], similarity[0, 1])
    assert axes.images[0].get_clim() == (-1, 1)
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels == ["1", "2", "3", "4"]


def test_each_head_of_each_layer_has_a_line_of_offsets(rng):
    biases = rng.normal(size=(2, 3, 11))
    axes = figures.relative_positions(biases, "Relative").axes[0]
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown[:3], biases[0])
    np.testing.assert_array_equal(shown[4:], biases[1])
    assert axes.get_xlim() == (-5.5, 5.5)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["1", "2"]


def test_each_head_of_each_layer_has_a_map_of_offsets(rng):
    biases = rng.normal(size=(2, 3, 3, 5))
    axes = figures.relative_biases(biases, "Biases").axes[0]
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown[:3, :5], biases[0, 0])
    np.testing.assert_array_equal(shown[-3:, -5:], biases[1, 2])
    low, high = axes.images[0].get_clim()
    assert high == -low == np.abs(biases).max()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "3"]


def test_the_same_figure_is_the_same_svg_without_a_date(tmp_path, rng):
    distances = rng.uniform(5, 90, (4, 3))
    for name in ("a.svg", "b.svg"):
        figure = figures.attention_distance(distances, 77.0, "Distance")
        figures.write(figure, tmp_path / name)
    first, second = (
        (tmp_path / name).read_text().replace(name, "") for name in ("a.svg", "b.svg")
    )
    assert first == second
    assert "dc:date" not in first
