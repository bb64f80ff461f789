"""Figures of a transfer."""

from __future__ import annotations

from collections.abc import Sequence

from keras_vit.figures.drawing import TEST, VALIDATION, Figure, new_figure


def rate_sweep(
    rates: Sequence[float],
    accuracies: Sequence[float],
    chosen: tuple[float, float, float],
    title: str,
) -> Figure:
    """Draw the accuracy on the dev split over the learning rate.

    Args:
        rates: R of them.
        accuracies: R in [0, 1].
        chosen: one of the rates, and mean and standard deviation of the accuracies
            of its runs on the test split.
        title: a line.
    """
    figure = new_figure(6, 4, layout="constrained")
    axes = figure.subplots()
    pairs = sorted(zip(rates, accuracies, strict=True))
    rate, mean, deviation = chosen
    axes.plot(
        [one for one, _ in pairs],
        [100 * accuracy for _, accuracy in pairs],
        color=VALIDATION,
        marker="o",
        ms=5,
        label="dev split, one run",
    )
    axes.errorbar(
        [rate],
        [100 * mean],
        [100 * deviation],
        color=TEST,
        marker="s",
        ms=5,
        capsize=4,
        ls="none",
        label="test split, mean and std",
    )
    axes.set_xscale("log")
    axes.set_xticks([one for one, _ in pairs], [f"{one:g}" for one, _ in pairs])
    axes.minorticks_off()
    axes.set(xlabel="Learning rate", ylabel="Accuracy (%)")
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
