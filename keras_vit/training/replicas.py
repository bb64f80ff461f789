"""What replicas and workers share besides the step."""

import numpy as np
import tensorflow as tf

from keras_vit.data.pipeline import Shard, training_batches
from keras_vit.distribution import local_replicas, num_workers


def distributed_batches(strategy, split, batch_size, *arguments, **options):
    """Gives `training_batches`, each replica its slice of every global batch."""

    def share(context):
        local = context.num_replicas_in_sync // context.num_input_pipelines
        slices = Shard(
            context.input_pipeline_id * local, local, context.num_replicas_in_sync
        )
        return training_batches(split, batch_size, *arguments, shard=slices, **options)

    return strategy.distribute_datasets_from_function(share)


def summed_over_workers(tally, strategy):
    """Makes the tally of this worker that of all of them."""
    if num_workers(strategy) == 1:
        return
    local = local_replicas(strategy)  # each adds the same
    summed = _sum(tally.numbers / local, strategy)
    whole = np.round(summed)  # as counts are, and have to stay
    tally.numbers[:] = np.where(np.abs(summed - whole) < 1e-6, whole, summed)


def wait_for_all(strategy):
    """Returns when every worker has come to this place."""
    if num_workers(strategy) > 1:
        _sum(np.zeros(1), strategy)


def same_for_all(strategy, number):
    """Whether every worker has the same number."""
    if num_workers(strategy) == 1:
        return True
    total = _sum(np.array([float(number)]), strategy)[0]
    return total == number * strategy.num_replicas_in_sync


def _sum(values, strategy):
    """The sum of an array over all replicas of all workers."""
    values = tf.constant(values)

    @tf.function
    def total():
        def all_reduce():
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

        return strategy.experimental_local_results(strategy.run(all_reduce))[0]

    return total().numpy()
