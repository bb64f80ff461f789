"""What a model returns for a whole split, each image once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.counts import check_counts
from keras_vit.preprocessing import Preprocessing
from keras_vit.verbosity import progress_bar

if TYPE_CHECKING:
    import keras

    from keras_vit.compat import Strategy
    from keras_vit.data.labelled import Labelled
    from keras_vit.served_model import ServedModel


def outputs_of(
    model: keras.Model | ServedModel,
    split: Labelled,
    preprocessing: Preprocessing,
    *,
    batch_size: int = 200,
    strategy: Strategy | str | None = None,
) -> np.ndarray:
    """Compute what a model returns for each image of a split, in order.

    Args:
        model: a Keras model from images to vectors, or a
            `keras_vit.served_model.ServedModel`.
        split: a split of a `keras_vit.data.Dataset`.
        preprocessing: how images become the model's size.
        batch_size: as `predictions_of` takes it.
        strategy: as `predictions_of` takes it.

    Returns:
        `(N, K)` float32.

    Raises:
        ValueError: for an unknown strategy, one of several workers, or a served
            model under a strategy.
        FloatingPointError: if a number is not finite.
    """
    from keras_vit.data.evaluation import evaluation_batches

    forward, batch_size = forward_of(model, min(batch_size, len(split)), strategy)
    size: Any = model.input_shape[1:3]
    width: Any = model.output_shape[-1]
    outputs = np.empty((len(split), width), np.float32)
    done = 0
    with progress_bar(total=len(split), unit=" images", leave=False) as bar:
        for images, _, weights in evaluation_batches(
            split, batch_size, size, preprocessing
        ):
            count = int(weights.sum())
            part = np.asarray(forward(images), np.float32)[:count]
            outputs[done : done + count] = finite(part)
            done += count
            bar.update(count)
    return outputs


def finite(outputs: np.ndarray, what: str = "outputs") -> np.ndarray:
    """Return what a model returned, if all of it is finite.

    Raises:
        FloatingPointError: if a number is not, saying what it is.
    """
    if not np.isfinite(outputs).all():
        raise FloatingPointError(
            f"Expected finite {what} of the model. Received: NaN or infinity"
        )
    return outputs


def forward_of(
    model: keras.Model | ServedModel,
    batch_size: int,
    strategy: Strategy | str | None,
) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """Return a function of images to vectors, and a batch size that replicas divide.

    Raises:
        ValueError: as `outputs_of` does.
    """
    check_counts(batch_size=batch_size)
    if strategy is None or strategy == "one":
        return model.predict_on_batch, batch_size
    from keras_vit import distribution
    from keras_vit.evaluation.forward import ForwardPass, in_scope
    from keras_vit.served_model import ServedModel

    if isinstance(model, ServedModel):
        raise ValueError(
            "Expected no strategy for a SavedModel, which is evaluated on one device. "
            f"Received: strategy={strategy!r}. Leave it out, or name a run's folder or "
            "a .keras file"
        )
    shared: Any = (
        distribution.strategy(strategy) if isinstance(strategy, str) else strategy
    )
    workers = distribution.num_workers(shared)
    if workers > 1:
        raise ValueError(
            "Expected a strategy of one worker, whose devices share an evaluation. "
            f"Received: one of {workers} workers"
        )
    local = shared.num_replicas_in_sync
    with shared.scope():
        model = in_scope(model, shared)
    return ForwardPass(model, shared), -(-batch_size // local) * local
