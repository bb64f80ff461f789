import numpy as np
import pytest
from PIL import Image

from keras_vit import figures
from support.figures import LONG, inside

HISTORY = [
    {
        "epoch": epoch,
        "loss": 1 / epoch,
        "accuracy": 1 - 0.5 / epoch,
        "eval_loss": 1.2 / epoch,
        "eval_accuracy": 1 - 0.6 / epoch,
    }
    for epoch in range(1, 4)
]


def test_learning_curves_show_training_and_test_in_per_cent():
    loss, accuracy = figures.learning_curves(HISTORY).axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(loss.lines[1].get_ydata(), [1.2, 0.6, 0.4])
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), [40, 70, 80])
    assert accuracy.get_title() == "Accuracy (%)"


def legend(axes):
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    return [text.replace("\n", " ") for text in texts]


def test_learning_curves_say_under_which_conditions_training_is_measured():
    loss, accuracy = figures.learning_curves(HISTORY).axes
    assert legend(loss) == legend(accuracy) == ["training", "test"]
    history = [row | {"eval_split": "validation"} for row in HISTORY]
    loss, accuracy = figures.learning_curves(
        history,
        conditions=("augmented", "mixup"),
        loss_conditions=("smoothed labels",),
    ).axes
    assert legend(accuracy) == ["training (augmented, mixup)", "validation"]
    assert legend(loss)[0] == "training (augmented, mixup, smoothed labels)"
    loss.figure.draw_without_rendering()
    box = loss.get_legend().get_window_extent()
    assert loss.bbox.x0 < box.x0 < box.x1 < loss.bbox.x1  # however long it is


def test_a_confusion_matrix_shows_counts_and_shares():
    confusion = np.array([[3, 1], [0, 4]])
    axes = figures.confusion_matrix(confusion, ("cat", "dog")).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "4"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert axes.get_title() == "8 images, 87.5 % correct"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["cat", "dog"]
    rows = [tick.get_text() for tick in axes.get_yticklabels()]
    assert rows == ["cat (4)", "dog (4)"]  # and how many images each has


def test_long_names_of_classes_are_cut_and_no_formulas():
    names = ("a$b$", 30 * "x")
    axes = figures.confusion_matrix(np.eye(2, dtype=int), names).axes[0]
    ticks = axes.get_xticklabels() + axes.get_yticklabels()
    names = ["a$b$", 23 * "x" + "…"]
    expected = [*names, *(f"{name} (1)" for name in names)]
    assert [tick.get_text() for tick in ticks] == expected
    assert not any(tick.get_parse_math() for tick in ticks)


def test_pairs_of_classes_tell_their_count_and_both_names_however_long(rng):
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    pairs = [
        ("Shirt", "T-shirt/top", 36, [image]),
        (60 * "a", 60 * "b", 12345, [image, image]),
        ("a long name of a class", "another long one", 7, [image]),
    ]
    [axes] = figures.confused_pairs(pairs, 32, "pets").axes
    texts = [text.get_text().replace("\n", " ") for text in axes.texts]
    assert texts == [
        "36: Shirt as T-shirt/top",
        f"12,345: {16 * 'a'}… as {16 * 'b'}…",
        "7: a long name of a… as another long one",
    ]
    assert occurrences(image, np.asarray(axes.images[0].get_array())) == 4


def test_a_reliability_diagram_shows_accuracy_against_confidence_in_per_cent():
    whole = [
        {"temperature": one, "forecasts": 8, "error": error}
        for one, error in ((1.0, 0.125), (2.0, 0.03))
    ]
    bins = [
        {
            "temperature": one,
            "above": above,
            "at_most": above + 0.5,
            "forecasts": count,
            "confidence": above + 0.25,
            "accuracy": above + 0.3,
            "low": above + 0.1,
            "high": above + 0.4,
        }
        for one in (1.0, 2.0)
        for above, count in ((0.0, 2), (0.5, 6))
    ]
    first, second, below, _ = figures.reliability_diagram(whole, bins).axes
    assert first.get_title() == "Temperature 1: expected error 12.5 %"
    assert second.get_title() == "Temperature 2: expected error 3.0 %"
    line = first.containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [25, 75])
    np.testing.assert_allclose(line.get_ydata(), [30, 80])
    [bars] = first.containers[0].lines[2]
    np.testing.assert_allclose(
        [segment[:, 1] for segment in bars.get_segments()], [[10, 40], [60, 90]]
    )
    assert [bar.get_height() for bar in below.patches] == [25, 75]


def test_a_figure_is_written_in_the_format_of_its_suffix(tmp_path):
    figures.write(figures.learning_curves(HISTORY), tmp_path / "a.png")
    figures.write(figures.learning_curves(HISTORY), tmp_path / "a.svg")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_a_contact_sheet_shows_images_pixel_for_pixel(tmp_path, rng):
    first, second = rng.integers(0, 256, (2, 20, 30, 3), np.uint8)
    lines = [("cat", [first, second]), ("$dog", []), ("猫", [second[:10]])]
    figures.write(figures.contact_sheet(lines, 2, 32, "pets"), tmp_path / "a.png")
    sheet = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    for image, times in ((first, 1), (second, 1), (second[:10], 2)):
        assert occurrences(image, sheet) == times


def occurrences(image, sheet):
    height, width, _ = image.shape
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], (height, width))
    rows, columns = np.nonzero(windows[..., 0, 0] == image[0, 0, 0])
    return sum(
        np.array_equal(sheet[row : row + height, column : column + width], image)
        for row, column in zip(rows, columns, strict=True)
    )


def test_counts_of_few_classes_stand_beside_their_names():
    counts = {"train": (30, 20), "test": (3, 2)}
    figure = figures.data_histograms(
        counts, ("cat", "$dog"), np.array([[8, 6], [4, 6]]), np.array([54, 1]), "pets"
    )
    classes, sizes = figure.axes[:2]
    assert [line.get_label() for line in classes.lines] == ["train", "test"]
    assert [tuple(line.get_xdata()) for line in classes.lines] == [(30, 20), (3, 2)]
    assert [tick.get_text() for tick in classes.get_yticklabels()] == ["cat", "$dog"]
    points = sizes.collections[0]
    np.testing.assert_array_equal(points.get_offsets(), [[4, 6], [8, 6]])
    np.testing.assert_array_equal(points.get_array(), [1, 54])


def test_counts_of_many_classes_are_ranked_and_many_sizes_pooled(rng):
    counts = {"train": rng.permutation(300), "test": np.ones(300, int)}
    sizes = np.stack([np.arange(10, 310), np.arange(20, 320)], 1)
    images = rng.integers(1, 9, 300)
    figure = figures.data_histograms(counts, ["x"] * 300, sizes, images, "many")
    classes, hexagons = figure.axes[:2]
    np.testing.assert_array_equal(classes.lines[0].get_ydata(), range(299, -1, -1))
    assert classes.get_yscale() == "symlog"
    assert hexagons.collections[0].get_array().sum() == images.sum()


def test_one_size_of_all_images_stands_in_the_title():
    counts = {"train": (3, 2), "test": (1, 1)}
    size = np.array([[28, 20]]), np.array([7])
    figure = figures.data_histograms(counts, ("a", "b"), *size, "pets")
    assert len(figure.axes) == 1
    assert figure.get_suptitle() == "pets: all images of 28 x 20 pixels"
    figures.data_histograms(counts, ("a", "b"), np.zeros((0, 2)), np.zeros(0), "none")


@pytest.mark.parametrize("count", [1, 2])
def test_a_title_over_few_confused_images_is_broken_and_not_cut(count, rng):
    images = list(rng.integers(0, 256, (count, 96, 96, 3), np.uint8))
    title = "photographs: images of a class as another, the surest first"
    figure = figures.confused_pairs([(LONG, "cat", 3, images)], 96, title)
    assert [text.get_text().replace("\n", " ") for text in figure.texts] == [title]
    names = figure.axes[0].texts[0].get_text().replace("\n", " ")
    assert names == "3: German short- haired pointe… as cat"
    assert inside(figure)
