"""A picture of the first batch of a run, as it is augmented."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_vit import figures

if TYPE_CHECKING:
    from keras_vit.training.batches import TrainBatches
    from keras_vit.training.trainer import Trainer

BATCH_PICTURE = "training_batch.png"
MOST_IMAGES = 32
MOST_NAMES = 2  # of classes of an image


def write_batch_picture(
    run: Trainer, batches: TrainBatches, folder: pathlib.Path
) -> None:
    """Draw images of the run's first batch, with their labels.

    The first step then takes the very batch that is drawn.

    Args:
        run: a `Trainer`.
        batches: of the run, of which none has been read.
        folder: where the picture goes.
    """
    images, targets = (_some(one, run) for one in batches.peek(0))
    captions: list[list[str]] = [[] for _ in images]
    if not run.task.num_draws(run.trained):
        captions = [captions_of(one, run.data.class_names) for one in targets]
    count = f"{len(images)} of {run.plan.batch_size:,} images"
    figure = figures.training_batch(
        images,
        captions,
        f"First batch of {run.data.name}: {count}",
    )
    figures.write(figure, folder / BATCH_PICTURE)


def captions_of(target: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Return the names of an image's classes, those of the largest shares first.

    Args:
        target: `(K,)`, shares that mixing gave, or ones for the classes.
        class_names: K of them.

    Returns:
        At most two lines, with the share where it is not 1.

    Example:

    >>> captions_of(np.array([0.25, 0.0, 0.75]), ["cat", "dog", "fox"])
    ['fox 0.75', 'cat 0.25']
    >>> captions_of(np.array([0.0, 1.0, 0.0]), ["cat", "dog", "fox"])
    ['dog']
    """
    order = np.argsort(-target, kind="stable")
    return [
        class_names[int(label)]
        + ("" if target[label] == 1 else f" {target[label]:.2f}")
        for label in order[:MOST_NAMES]
        if target[label] > 0
    ]


def _some(batch: object, run: Trainer) -> np.ndarray:
    """Return the first images, or targets, of this process's replicas."""
    parts = run.strategy.experimental_local_results(batch)
    return np.concatenate([part[:MOST_IMAGES].numpy() for part in parts])[:MOST_IMAGES]
