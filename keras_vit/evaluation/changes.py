"""Which predictions stay correct when the images change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.evaluation.outputs import finite, forward_of
from keras_vit.evaluation.predictions import Predictions
from keras_vit.verbosity import progress_bar

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.data.labelled import Labelled

Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
Restriction = Callable[[Predictions], Predictions]


def correct_under(
    classifier: Classifier,
    split: Labelled,
    changes: Sequence[Change],
    *,
    batch_size: int = 200,
    strategy: Strategy | str | None = None,
    restricted: Restriction | None = None,
) -> np.ndarray:
    """Predict each image of a split under each of some changes.

    An image is resized as in evaluation, its pixels are rounded to whole
    numbers, and then it is changed: the model sees what a change returns.

    Args:
        classifier: with the preprocessing of the evaluation.
        split: a split of a `keras_vit.data.Dataset`.
        changes: functions of uint8 images `(B, H, W, 3)` of the model's size
            and of their indices in the split, that return such images.
        batch_size: images at a time. It does not change the result.
        strategy: as `predictions_of` takes it.
        restricted: a function of `Predictions` to others, such as those that keep
            some classes; `None`: none.

    Returns:
        Booleans `(changes, N)`: whether the prediction is correct.

    Raises:
        ValueError: if a label is not one of the classes, or for an unknown
            strategy.
        FloatingPointError: if a logit is not finite.
    """
    from keras_vit.data.evaluation import evaluation_batches

    split.check_classes(classifier.num_classes)
    forward, batch_size = forward_of(
        classifier.model, min(batch_size, len(split)), strategy
    )
    activation = "sigmoid" if split.labels.ndim == 2 else classifier.activation
    correct = np.zeros((len(changes), len(split)), bool)
    done = 0
    with progress_bar(total=correct.size, unit=" images", leave=False) as bar:
        for images, labels, weights in evaluation_batches(
            split, batch_size, classifier.image_size, classifier.preprocessing
        ):
            places = np.arange(done, done + int(weights.sum()))
            images, count = whole_pixels(images), len(places)
            shown = np.zeros_like(images)  # black where a batch is filled up
            for number, change in enumerate(changes):
                shown[:count] = change(images[:count], places)
                logits = np.asarray(forward(shown), np.float32)[:count]
                logits = finite(logits, "logits")
                found = Predictions(logits, labels[:count], activation)
                found = restricted(found) if restricted else found
                correct[number, places] = found.correct()
                bar.update(count)
            done += count
    return correct


def whole_pixels(images: Any) -> np.ndarray:
    """Return pixels in [0, 255] as uint8, rounded."""
    return np.rint(np.clip(images, 0, 255)).astype(np.uint8)


def drawn(split: Labelled, limit: int | None, seed: int) -> Labelled:
    """Return some images of a split, in its order; all if there are no more.

    Args:
        split: a split of a `keras_vit.data.Dataset`.
        limit: how many; `None`: all.
        seed: of the draw.

    Raises:
        ValueError: for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1. Received: {limit}")
    if limit is None or limit >= len(split):
        return split
    draw = np.random.default_rng(seed)
    return split.subset(np.sort(draw.choice(len(split), limit, replace=False)))
