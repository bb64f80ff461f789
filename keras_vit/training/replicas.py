"""What replicas and workers share besides the step."""

import numpy as np
import tensorflow as tf

from keras_vit.data.pipeline import Share, training_batches
from keras_vit.distribution import local_replicas, num_workers, worker_index


def distributed_batches(strategy, split, batch_size, *arguments, **options):
    """Gives `training_batches`, each replica its slice of every global batch."""

    def share(context):
        local = context.num_replicas_in_sync // context.num_input_pipelines
        slices = Share(
            context.input_pipeline_id * local, local, context.num_replicas_in_sync
        )
        return training_batches(split, batch_size, *arguments, share=slices, **options)

    return strategy.distribute_datasets_from_function(share)


class ForwardPass:
    """A model's logits, computed by all replicas of this worker together.

    Args:
        model: a Keras model, made under the strategy's scope.
        strategy: a `tf.distribute.Strategy`.
    """

    def __init__(self, model, strategy):
        self._strategy = strategy
        self._local = local_replicas(strategy)

        @tf.function
        def run(images):
            logits = strategy.run(lambda x: model(x, training=False), args=(images,))
            return tf.concat(strategy.experimental_local_results(logits), axis=0)

        self._run = run

    def is_mine(self, number):
        """Whether this worker is to compute the batch of that number."""
        return number % num_workers(self._strategy) == worker_index(self._strategy)

    def __call__(self, images):
        """Logits `(B, K)`, as an array, where the replicas divide B."""
        if self._local == 1:
            return self._run(tf.constant(images)).numpy()
        parts = np.split(images, self._local)
        values = iter(map(tf.constant, parts))
        distributed = self._strategy.experimental_distribute_values_from_function(
            lambda context: next(values)
        )
        return self._run(distributed).numpy()


def summed_over_workers(tally, strategy):
    """Makes the tally of this worker that of all of them."""
    if num_workers(strategy) == 1:
        return
    parts = [tally.sums] + ([] if tally.confusion is None else [tally.confusion])
    local = local_replicas(strategy)  # each adds the same
    values = np.concatenate([part.ravel() for part in parts]) / local
    summed = _sum(values, strategy)
    tally.sums = summed[:4]
    if tally.confusion is not None:
        tally.confusion = np.round(summed[4:]).reshape(tally.confusion.shape)


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
