"""Figures of a training and of an evaluation."""

import numpy as np

from keras_vit.figures.drawing import MOST_LEGIBLE, TEST, TRAINING, new_figure


def learning_curves(history):
    """Loss and accuracy over the epochs, in training and on the test split.

    Args:
        history: a dict of numbers for each epoch, as `train` gives it.
    """
    figure = new_figure(9, 3.6, layout="constrained")
    epochs = [numbers["epoch"] for numbers in history]
    titles = {"loss": "Cross-entropy (nats)", "accuracy": "Accuracy (%)"}
    for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        scale = 100 if name == "accuracy" else 1
        for key, label, colour, marker in (
            (name, "training (augmented, smoothed)", TRAINING, "o"),
            (f"test_{name}", "test", TEST, "s"),
        ):
            values = [scale * numbers[key] for numbers in history]
            axes.plot(epochs, values, color=colour, marker=marker, ms=4, label=label)
        axes.set(title=title, xlabel="Epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def confusion_matrix(confusion, class_names):
    """How often each class was answered for each class.

    With the counts and the names of up to `MOST_LEGIBLE` classes.

    Args:
        confusion: `(K, K)` counts; a row is a true class.
        class_names: K of them.
    """
    count = len(class_names)
    legible = count <= MOST_LEGIBLE
    side = 2.6 + 0.42 * count if legible else 10
    figure = new_figure(side + 0.6, side, layout="constrained")
    axes = figure.subplots()
    shares = confusion / confusion.sum(1, keepdims=True).clip(min=1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if legible:
        for row, column in np.argwhere(confusion):
            axes.text(
                column,
                row,
                confusion[row, column],
                ha="center",
                va="center",
                fontsize=8,
                color="white" if shares[row, column] > 0.5 else "black",
            )
        axes.set_xticks(range(count), class_names, rotation=45, ha="right")
        axes.set_yticks(range(count), class_names)
    right = confusion.trace() / max(confusion.sum(), 1)
    axes.set(
        title=f"{confusion.sum():,} images, {100 * right:.1f} % right",
        xlabel="Answer",
        ylabel="True class",
    )
    figure.colorbar(picture, label="Share of the true class", shrink=0.8)
    return figure
