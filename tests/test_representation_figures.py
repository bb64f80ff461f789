"""Figures of frozen features show the numbers they are given."""

import numpy as np
import pytest

from keras_vit import figures

INTERVAL = {"low": 0.3, "high": 0.9}


def test_few_shots_are_shown_at_one_l2_and_over_all():
    rows = [
        INTERVAL
        | {"shots": s, "l2": l2, "seeds": 3, "accuracy": s * l2 / 99, "deviation": 0.1}
        for l2 in (8.0, 1.0, 2.0)
        for s in (1, 5, 10)
    ]
    left, right = figures.few_shot(rows, 2.0).axes
    assert left.get_title() == "By images per class, at a regularisation of $2^{1}$"
    assert right.get_title() == "By regularisation"
    np.testing.assert_array_equal(left.lines[0].get_xdata(), [1, 5, 10])
    expected = 100 * np.array([1, 5, 10]) * 2 / 99
    np.testing.assert_allclose(left.lines[0].get_ydata(), expected)
    ten = next(one for one in right.lines if one.get_label() == "10 per class")
    np.testing.assert_array_equal(ten.get_xdata(), [1, 2, 8])
    np.testing.assert_allclose(ten.get_ydata(), 1000 * np.array([1, 2, 8]) / 99)


def test_neighbours_have_a_line_for_each_vote():
    rows = [
        INTERVAL | {"neighbours": k, "vote": vote, "accuracy": k / base}
        for vote, base in (("weighted", 20), ("plain", 40))
        for k in (1, 5, 10)
    ]
    weighted, plain = figures.neighbours(rows).axes[0].lines
    np.testing.assert_allclose(weighted.get_ydata(), [5, 25, 50])
    np.testing.assert_allclose(plain.get_ydata(), [2.5, 12.5, 25])
    assert plain.get_label() == "plain vote"


def test_a_probe_is_shown_as_searched_and_as_tested():
    rows = [
        INTERVAL | {"split": split, "l2": l2, "accuracy": accuracy}
        for split, l2, accuracy in (
            ("test", 1.0, 0.5),
            ("dev", 0.1, 0.4),
            ("dev", 1.0, 0.6),
        )
    ]
    axes = figures.linear_probe(rows).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [40, 60])
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize("count", [3, 12, 50])
def test_classes_beyond_ten_are_grey_and_named_while_legible(count, rng):
    names = [f"class {number}" for number in range(count)]
    images = {name: 3 + number for number, name in enumerate(names)}
    rows = [
        {"class": name} | dict(zip(PLACES, rng.normal(size=4).tolist(), strict=True))
        for name, number in images.items()
        for _ in range(number)
    ]
    left, right = figures.embedding(rows, names, (0.5, 0.25)).axes
    shown = {one.get_label(): len(one.get_offsets()) for one in left.collections}
    coloured = names[-10:]  # those with the most images
    grey = sum(number for name, number in images.items() if name not in coloured)
    expected = {name: images[name] for name in coloured}
    assert shown == expected | ({"others": grey} if grey else {})
    written = [text.get_text() for text in left.texts]
    assert written == (names if count <= 40 else coloured)
    mine = [row for row in rows if row["class"] == names[-1]]
    median = np.median([row["component_1"] for row in mine])
    assert right.texts[-1].get_position()[0] == pytest.approx(median)
    assert "25.0 %" in right.get_ylabel()


PLACES = ("t_sne_1", "t_sne_2", "component_1", "component_2")


def test_places_of_t_sne_have_no_axes_and_components_say_their_variance(rng):
    places = ("t_sne_1", "t_sne_2", "component_1", "component_2")
    rows = [{"class": "a"} | dict(zip(places, rng.random(4), strict=True))]
    left, right = figures.embedding(rows, ["a"], (0.3, 0.2)).axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("", "")
    assert right.get_ylabel() == "Second component (20.0 %)"
