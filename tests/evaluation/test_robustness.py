import itertools
import json

import numpy as np
import pytest

import keras_vit
from keras_vit import data, figures
from keras_vit.data.preprocessing import preprocess
from keras_vit.evaluation import (
    changes,
    evaluate,
    interval,
    measurements,
    resolution,
    resolutions,
    robustness,
    share_interval,
    under_corruptions,
)
from keras_vit.evaluation.context import Context
from keras_vit.evaluation.corruptions import CORRUPTIONS, corrupt
from keras_vit.evaluation.measurements import MEASUREMENTS, chosen
from keras_vit.evaluation.report import write_parts
from keras_vit.preprocessing import resolve
from support.models import randomize, tiny_vit
from support.scripted import Scripted


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (23, 20, 30, 3), np.uint8)
    return data.Split(images, rng.integers(0, 5, 23))


@pytest.fixture(scope="module")
def at_resolutions(model, split):
    return resolutions(model, split, [4, 8, 16, 20], batch_size=5)


def right_one_by_one(model, split, change, preprocessing="vit_jax"):
    """By changing each image alone; their logits are asked for together."""
    images = []
    for index in range(len(split)):
        image = preprocess(split.image(index), (16, 24), resolve(preprocessing))
        pixels = np.floor(np.asarray(image) + 0.5).astype(np.uint8)[None]
        images.append(np.asarray(change(pixels, index), np.float32))
    answers = np.asarray(model(np.concatenate(images))).argmax(1)
    right = [
        label[answer] if label.ndim else label == answer
        for label, answer in zip(split.labels, answers, strict=True)
    ]
    return np.array(right, bool)


@pytest.fixture(scope="module")
def clean(model, split):
    return right_one_by_one(model, split, lambda pixels, _: pixels)


@pytest.fixture(scope="module")
def corrupted(model, split):
    """By a plain loop, under two corruptions at two severities."""
    right = {}
    for name, severity in itertools.product(
        ("gaussian_noise", "jpeg_compression"), (2, 5)
    ):

        def change(pixels, index, name=name, severity=severity):
            return corrupt(pixels, name, severity, seed=3, indices=[index])

        right[name, severity] = right_one_by_one(model, split, change)
    return right


@pytest.mark.one_in(2)
@pytest.mark.parametrize("batch_size", [1, 7, 23, 200])
def test_accuracies_under_corruptions_are_those_of_a_plain_loop(
    model, split, batch_size, clean, corrupted
):
    names, severities = ("gaussian_noise", "jpeg_compression"), (2, 5)
    found = robustness(model, split, names, severities, batch_size=batch_size, seed=3)
    assert found.correct.shape == (2, 2, 23)
    assert found.table == "cifar"
    for row, name in enumerate(names):
        for column, severity in enumerate(severities):
            expected = corrupted[name, severity]
            np.testing.assert_array_equal(found.correct[row, column], expected)
            assert found.accuracy[row, column] == expected.mean()
    np.testing.assert_array_equal(found.clean, clean)
    assert found.mean == pytest.approx(found.accuracy.mean())
    drop = (clean.mean() - found.accuracy.mean()) / clean.mean()
    assert found.relative_drop == pytest.approx(drop)


def test_images_are_corrupted_as_the_model_is_to_see_them(model, split):
    found = robustness(model, split, ["contrast"], [5], preprocessing="timm:0.5")

    def change(pixels, index):
        return corrupt(pixels, "contrast", 5)

    expected = right_one_by_one(model, split, change, "timm:0.5")
    np.testing.assert_array_equal(found.correct[0, 0], expected)


def test_an_image_of_several_classes_is_right_with_any_of_them(model, split, rng):
    several = data.Split(split.images, rng.integers(0, 2, (23, 5)))
    found = robustness(model, several, ["fog"], [1])

    def change(pixels, index):
        return corrupt(pixels, "fog", 1, indices=[index])

    expected = right_one_by_one(model, several, change)
    np.testing.assert_array_equal(found.correct[0, 0], expected)


def test_some_images_are_drawn_once_and_in_order(split):
    some = changes.drawn(split, 9, seed=1)
    assert len(some) == 9
    again = changes.drawn(data.Split(split.images, split.labels), 9, seed=1)
    np.testing.assert_array_equal(some.images, again.images)
    places = [
        int(np.flatnonzero((split.images == one).all((1, 2, 3)))[0])
        for one in some.images
    ]
    assert places == sorted({*places})
    assert changes.drawn(split, 23, seed=1) is split
    with pytest.raises(ValueError, match="limit must be at least 1. Received: 0"):
        changes.drawn(split, 0, seed=1)


def test_what_cannot_be_measured_is_refused_before_any_work(model, split):
    with pytest.raises(ValueError, match="Unknown corruption"):
        robustness(model, split, ["rain"])
    with pytest.raises(ValueError, match="at least one"):
        robustness(model, split, [])
    with pytest.raises(ValueError, match="at least one"):
        robustness(model, split, severities=[])
    with pytest.raises(ValueError, match="at least one pixel"):
        resolutions(model, split, [0, 16])
    with pytest.raises(ValueError, match=r"\[0, 5\)"):
        robustness(model, (split.images, split.labels + 5), ["fog"])


def test_the_table_has_every_number_of_the_figures(model, split):
    names = ("shot_noise", "fog", "snow")
    found = robustness(model, split, names, (1, 3))
    part = found.part()
    rows = {(row["corruption"], row["severity"]): row for row in part.rows}
    assert len(rows) == len(part.rows) == 1 + 3 * 3 + 3
    for row, name in enumerate(names):
        for column, severity in enumerate((1, 3)):
            cell, right = rows[name, severity], found.correct[row, column]
            assert cell["top1"] == right.mean()
            assert (cell["low"], cell["high"]) == share_interval(
                right.sum(), len(right)
            )
        mean = rows[name, "mean"]  # of two corrupted images each, no share of images
        assert mean["top1"] == pytest.approx(found.accuracy[row].mean())
        assert (mean["low"], mean["high"]) == interval(found.correct[row].mean(0))
    for column, severity in enumerate((1, 3)):
        mean = found.accuracy[:, column].mean()
        assert rows["mean", severity]["top1"] == pytest.approx(mean)
    assert rows["mean", "mean"]["top1"] == pytest.approx(found.mean)
    assert rows["none", 0]["top1"] == found.clean.mean()
    assert f"{100 * found.mean:.2f} % under" in part.title
    table = part.figures["robustness"]().axes[0]
    shown = np.reshape([text.get_text() for text in table.texts], (4, 3))
    expected = [
        [f"{100 * rows[name, column]['top1']:.1f}" for column in (1, 3, "mean")]
        for name in (*names, "mean")
    ]
    np.testing.assert_array_equal(shown, expected)
    noise, weather = part.figures["robustness_lines"]().axes
    assert (noise.get_title(), weather.get_title()) == ("noise", "weather")
    clean, fog, snow = weather.lines
    assert [line.get_label() for line in (fog, snow)] == ["fog", "snow"]
    np.testing.assert_allclose(fog.get_ydata(), 100 * found.accuracy[1])
    np.testing.assert_allclose(clean.get_ydata(), 100 * found.clean.mean())


def test_the_sheet_shows_an_image_and_what_became_of_it(rng):
    image = rng.integers(0, 256, (28, 20, 3), np.uint8)
    sheet = under_corruptions.corruption_sheet(
        image, ("contrast", "fog"), table="cifar"
    )
    canvas = sheet.axes[0].images[0].get_array()

    def shown(one):
        large = one.repeat(4, 0).repeat(4, 1)
        windows = np.lib.stride_tricks.sliding_window_view(
            canvas[..., 0], large.shape[:2]
        )
        starts = np.argwhere(windows[..., 0, 0] == large[0, 0, 0])
        return sum((windows[i, j] == large[..., 0]).all() for i, j in starts)

    assert shown(image) == 1
    for name in ("contrast", "fog"):
        for severity in (1, 3, 5):
            assert shown(corrupt(image[None], name, severity)[0]) == 1
    assert {text.get_text() for text in sheet.axes[0].texts} == {
        *("none", "contrast", "fog")
    }


def test_images_that_lose_resolution_lose_what_is_smaller():
    places = np.indices((32, 48)).sum(0)
    checks = np.stack([255 * (places % 2)] * 3, -1).astype(np.uint8)[None]
    assert resolution.lowered((32, 48), checks) is checks
    grey = resolution.lowered((8, 12), checks)
    assert grey.dtype == np.uint8
    assert grey.shape == checks.shape
    assert np.abs(grey[:, 4:-4, 4:-4].astype(int) - 127.5).max() <= 1
    even = np.full((1, 32, 48, 3), 77, np.uint8)
    np.testing.assert_array_equal(resolution.lowered((5, 7), even), even)
    slope = np.indices((32, 48)).sum(0)[None, ..., None].repeat(3, -1).astype(np.uint8)
    seen = resolution.lowered((16, 24), slope)
    np.testing.assert_allclose(seen[:, 4:-4, 4:-4], slope[:, 4:-4, 4:-4], atol=1)


@pytest.mark.slow
def test_resolution_is_measured_in_two_senses(model, split, at_resolutions, clean):
    found = at_resolutions
    assert found.sizes == ((4, 6), (8, 12), (16, 24), (20, 30))
    np.testing.assert_array_equal(found.lost[2], clean)
    for number, size in enumerate([(4, 6), (8, 12)]):

        def change(pixels, index, size=size):
            return resolution.lowered(size, pixels)

        expected = right_one_by_one(model, split, change)
        np.testing.assert_array_equal(found.lost[number], expected)
    assert found.lost[3] is None
    assert found.rebuilt[0] is None  # less than a patch
    np.testing.assert_array_equal(found.rebuilt[2], clean)
    result = evaluate(keras_vit.resize(model, (20, 30)), split)
    assert found.rebuilt[3].mean() == pytest.approx(result.top1)


class Exported(Scripted):
    """A model that is known by its shapes and outputs alone."""

    def __init__(self, model):
        super().__init__(np.zeros((1, model.output_shape[1])), model.input_shape[1:3])
        self.predict_on_batch = model.predict_on_batch


def test_a_model_that_cannot_be_rebuilt_is_measured_in_one_sense(model, split):
    found = resolutions(Exported(model), split, [8, 16, 24])
    assert found.rebuilt == (None, None, None)
    assert [one is None for one in found.lost] == [False, False, True]
    part = found.part()
    assert [row["height"] for row in part.rows] == [8, 16]
    assert {row["what"] for row in part.rows} == {resolution.LOST}
    nothing = resolutions(Exported(model), split, [24]).part()
    assert (nothing.rows, nothing.figures) == ((), {})


def test_the_curves_show_the_rows(at_resolutions):
    part = at_resolutions.part()
    axes = part.figures["resolution"]().axes[0]
    lost, rebuilt, own = axes.lines
    for line, what in ((lost, resolution.LOST), (rebuilt, resolution.REBUILT)):
        rows = [row for row in part.rows if row["what"] == what]
        np.testing.assert_allclose(line.get_xdata(), [row["height"] for row in rows])
        np.testing.assert_allclose(line.get_ydata(), [100 * r["top1"] for r in rows])
    assert own.get_xdata() == [16, 16]


@pytest.mark.slow
def test_a_report_has_both_with_their_figures(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "MOST_IMAGES", 12)
    monkeypatch.setattr(resolution, "FACTORS", (0.5, 1.0))
    model = randomize(tiny_vit(image_size=28, patch_size=14, num_classes=10), rng)
    context = Context(model, data.load("fashion_mnist_sample"))
    names, left_out = chosen(["robustness", "resolution"], context)
    parts = [MEASUREMENTS[name].measure(context) for name in names]
    files = write_parts(parts, tmp_path, "a model", {})
    assert {path.name for path in tmp_path.iterdir()} == {*files}
    stems = {"robustness", "robustness_lines", "corruptions", "resolution"}
    assert {f"{stem}.png" for stem in stems} <= {*files}
    rows = json.loads((tmp_path / "evaluation.json").read_text())["parts"]
    assert len(rows["robustness"]["rows"]) == 1 + 14 * 6 + 6
    assert rows["resolution"]["rows"][0]["height"] == 14
    assert not left_out


def test_a_subset_of_classes_is_asked_among_those_alone(model, split):
    def restricted(answers):
        return type(answers)(
            answers.logits[:, :2], answers.labels % 2, answers.activation
        )

    found = robustness(model, split, ["fog"], [1], restricted=restricted, batch_size=8)
    images = [
        np.rint(preprocess(one, (16, 24), resolve("vit_jax"))) for one in split.images
    ]
    logits = model.predict_on_batch(np.stack(images))[:, :2]
    np.testing.assert_array_equal(found.clean, logits.argmax(1) == split.labels % 2)


def test_a_line_has_a_mark_for_each_corruption_of_a_group():
    groups = {}
    for name, one in CORRUPTIONS.items():
        groups.setdefault(one.group, []).append(name)
    rows = {
        (name, severity): {"top1": 0.5, "low": 0.4, "high": 0.6}
        for name in ("none", *CORRUPTIONS)
        for severity in (0, 1)
    }
    panels = figures.robustness_lines(rows, groups, (1,)).axes
    assert [len(panel.lines) - 1 for panel in panels] == [3, 4, 3, 4, 3]


def test_logits_that_are_not_finite_are_no_answer(model, split):
    broken = Exported(model)
    broken.predict_on_batch = lambda images: np.full((len(images), 5), np.nan)
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        robustness(broken, split, ["fog"], [1])
