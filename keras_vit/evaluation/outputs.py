"""What a model gives for a whole split, each image once."""

import sys

import numpy as np

from keras_vit.preprocessing import carried_by, resolve


def outputs_of(model, split, batch_size=200, preprocessing=None, strategy=None):
    """Computes what a model gives for each image of a split, in order.

    Args:
        model: a Keras model from images to vectors, or a
            `keras_vit.model_files.ServedModel`.
        split: a split of a `keras_vit.data.Dataset`.
        batch_size: as `answers_of` takes it.
        preprocessing: likewise.
        strategy: likewise.

    Returns:
        `(N, K)` float32.

    Raises:
        ValueError: for an unknown preprocessing or strategy, one of several
            workers, or a served model under a strategy.
        FloatingPointError: if a number is not finite.
    """
    from keras_vit.data.evaluation import evaluation_batches

    own = preprocessing is None
    preprocessing = carried_by(model) if own else resolve(preprocessing)
    forward, batch_size = forward_of(model, min(batch_size, len(split)), strategy)
    outputs = np.empty((len(split), model.output_shape[-1]), np.float32)
    done = 0
    with progress_bar(len(split)) as bar:
        for images, _, weights in evaluation_batches(
            split, batch_size, model.input_shape[1:3], preprocessing
        ):
            count = int(weights.sum())
            part = np.asarray(forward(images), np.float32)[:count]
            if not np.isfinite(part).all():
                raise FloatingPointError("The model gives numbers that are not finite.")
            outputs[done : done + count] = part
            done += count
            bar.update(count)
    return outputs


def progress_bar(total):
    """A bar of images, with their rate and the time that is left."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        unit=" images",
        delay=1,  # what takes no time needs no bar
        mininterval=0.1 if sys.stderr.isatty() else 15,
        dynamic_ncols=True,
        leave=False,
    )


def forward_of(model, batch_size, strategy):
    """A function of images to vectors, and a batch size that the replicas divide.

    Raises:
        ValueError: as `outputs_of` does.
    """
    if strategy is None or strategy == "one":
        return model.predict_on_batch, batch_size
    from keras_vit import distribution
    from keras_vit.evaluation.forward import ForwardPass, in_scope

    if not hasattr(model, "weights"):
        raise ValueError(
            "A SavedModel is evaluated on one device: leave the strategy out, or name "
            "a run's folder or a .keras file."
        )
    if isinstance(strategy, str):
        strategy = distribution.strategy(strategy)
    if distribution.num_workers(strategy) > 1:
        raise ValueError("An evaluation is shared by the devices of one worker alone.")
    local = strategy.num_replicas_in_sync
    with strategy.scope():
        model = in_scope(model, strategy)
    return ForwardPass(model, strategy), -(-batch_size // local) * local
