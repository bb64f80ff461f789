import numpy as np

from keras_vit import figures

HISTORY = [
    {
        "epoch": epoch,
        "loss": 1 / epoch,
        "accuracy": 1 - 0.5 / epoch,
        "test_loss": 1.2 / epoch,
        "test_accuracy": 1 - 0.6 / epoch,
    }
    for epoch in range(1, 4)
]


def test_learning_curves_show_training_and_test_in_per_cent():
    loss, accuracy = figures.learning_curves(HISTORY).axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(loss.lines[1].get_ydata(), [1.2, 0.6, 0.4])
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), [40, 70, 80])
    assert accuracy.get_title() == "Accuracy (%)"


def test_a_confusion_matrix_shows_counts_and_shares():
    confusion = np.array([[3, 1], [0, 4]])
    axes = figures.confusion_matrix(confusion, ("cat", "dog")).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "4"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert axes.get_title() == "8 images, 87.5 % right"
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cat", "dog"]


def test_a_figure_is_written_in_the_format_of_its_suffix(tmp_path):
    figures.write(figures.learning_curves(HISTORY), tmp_path / "a.png")
    figures.write(figures.learning_curves(HISTORY), tmp_path / "a.svg")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a.svg").read_text()
