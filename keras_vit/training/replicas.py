"""What replicas and workers share besides the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_vit.data.pipeline import Shard, training_batches
from keras_vit.distribution import local_replicas, num_workers

if TYPE_CHECKING:
    from keras_vit.data.labelled import Labelled
    from keras_vit.evaluation import MetricSums
    from keras_vit.training.tasks.evaluators import LossSums


class LostWorkerError(RuntimeError):
    """Another worker of this run is gone."""

    exit_status = 43  # of the command


OF_LOST_WORKERS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


def lost_worker(error: Exception) -> LostWorkerError:
    """Return what a worker says when TensorFlow reports that another one is lost."""
    return LostWorkerError(
        "Another worker of this run is gone. Start all of them again: they "
        f"resume from the last checkpoint. ({str(error).splitlines()[0]})"
    )


def distributed_batches(
    strategy: tf.distribute.Strategy,
    split: Labelled,
    batch_size: int,
    *arguments: Any,
    **options: Any,
) -> Any:
    """Return `training_batches`, each replica with its slice of every global batch."""

    def share(context):
        local = context.num_replicas_in_sync // context.num_input_pipelines
        slices = Shard(
            context.input_pipeline_id * local, local, context.num_replicas_in_sync
        )
        return training_batches(split, batch_size, *arguments, shard=slices, **options)

    return strategy.distribute_datasets_from_function(share)


def summed_over_workers(
    sums: MetricSums | LossSums, strategy: tf.distribute.Strategy
) -> None:
    """Add the sums of all workers to this one's."""
    if num_workers(strategy) == 1:
        return
    local = local_replicas(strategy)  # each adds the same
    summed = _sum(sums.numbers / local, strategy)
    whole = np.round(summed)  # as counts are, and have to stay
    sums.numbers[:] = np.where(np.abs(summed - whole) < 1e-6, whole, summed)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Wait until every worker has come to this place.

    Raises:
        LostWorkerError: if one never comes.
    """
    if num_workers(strategy) == 1:
        return
    try:
        _sum(np.zeros(1), strategy)
    except OF_LOST_WORKERS as error:
        raise lost_worker(error) from error


def same_for_all(strategy: tf.distribute.Strategy, number: float) -> bool:
    """Return whether every worker has the same number."""
    if num_workers(strategy) == 1:
        return True
    total = _sum(np.array([float(number)]), strategy)[0]
    return total == number * strategy.num_replicas_in_sync


def _sum(values: np.ndarray, strategy: tf.distribute.Strategy) -> np.ndarray:
    """Sum an array over all replicas of all workers."""
    tensor = tf.constant(values)

    @tf.function
    def total():
        def all_reduce():
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tensor)

        return strategy.experimental_local_results(strategy.run(all_reduce))[0]

    return total().numpy()
