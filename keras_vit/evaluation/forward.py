"""A model's logits, by one device or by all of a strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vit.distribution import local_replicas, num_workers, worker_index


class ForwardPass:
    """A model's logits, computed by all replicas of this worker together.

    Args:
        model: a Keras model, made under the strategy's scope, or a function
            of it that takes batches and `training`.
        strategy: a `tf.distribute.Strategy`.
    """

    def __init__(
        self,
        model: keras.Model | Callable[..., Any],
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._strategy = strategy
        self._local = local_replicas(strategy)

        @tf.function
        def run(*inputs):
            logits = strategy.run(lambda *x: model(*x, training=False), args=inputs)
            return tf.concat(strategy.experimental_local_results(logits), axis=0)

        self._run = run

    def is_mine(self, number: int) -> bool:
        """Return whether this worker is to compute the batch of that number."""
        return number % num_workers(self._strategy) == worker_index(self._strategy)

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Return logits `(B, K)`, as an array, where the replicas divide B."""
        return self._run(*map(self._distributed, inputs)).numpy()

    def _distributed(self, batch: np.ndarray) -> Any:
        if self._local == 1:
            return tf.constant(batch)
        values = iter(map(tf.constant, np.split(batch, self._local)))
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: next(values)
        )


def in_scope(model: keras.Model, strategy: tf.distribute.Strategy) -> keras.Model:
    """Return the model itself, or a copy of it that the strategy knows.

    Call it under the strategy's scope.
    """
    known = strategy.extended.variable_created_in_scope
    if strategy.num_replicas_in_sync == 1 or all(
        known(weight.value) for weight in model.weights
    ):
        return model
    return copied(model)


def copied(model: keras.Model) -> keras.Model:
    """Return another model with the same weights, under the current scope."""
    copy = keras.models.clone_model(model)
    copy.set_weights([weight.numpy() for weight in model.weights])
    return copy
