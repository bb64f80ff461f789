"""Batch normalisation with PyTorch's numbers, over all replicas of a batch."""

from __future__ import annotations

from typing import Any

import keras

from keras_vit.layers.tensors import Tensor, ops

EPSILON = 1e-5
MOMENTUM = 0.9  # what is kept of a running statistic; PyTorch's 0.1 is what is new


@keras.saving.register_keras_serializable(package="keras_vit")
class SynchronizedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of the last axis, whose batch is that of all replicas.

    On one device it is Keras's layer. Under a `tf.distribute` strategy mean and
    variance of each channel are averaged over its replicas, in the backward pass too,
    so that their number changes nothing. Keras's own `synchronized` loses small
    variances of large means, on one device too. Replicas have equally many images.

    Arguments and shapes are those of `keras.layers.BatchNormalization`, without masks
    and with the last axis alone.

    Example:

    >>> SynchronizedBatchNormalization()(keras.KerasTensor((8, 7, 7, 64))).shape
    (8, 7, 7, 64)
    """

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        if not (training and self.trainable) or _num_replicas() == 1:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf  # which has the replicas, so it is loaded

        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        axes = list(range(len(x.shape) - 1))
        context, mean_of = (
            tf.distribute.get_replica_context(),
            tf.distribute.ReduceOp.MEAN,
        )
        mean = context.all_reduce(mean_of, tf.reduce_mean(x, axes))
        # Of what is left: the mean square less the square of the mean loses digits.
        variance = tf.reduce_mean(tf.square(x - mean), axes)
        variance = context.all_reduce(mean_of, variance)
        for kept, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept.assign(kept * self.momentum + new * (1.0 - self.momentum))
        x = ops.batch_normalization(
            x, mean, variance, -1, self.beta, self.gamma, self.epsilon
        )
        return ops.cast(x, self.compute_dtype)


def _num_replicas() -> int:
    """The replicas that share a batch, where this is called by one of several."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def batch_norm(**kwargs: Any) -> SynchronizedBatchNormalization:
    """Return batch normalisation of the last axis, as `torch.nn.BatchNorm2d` has it.

    Args:
        **kwargs: of `keras.layers.BatchNormalization`.

    Example:

    >>> batch_norm(name="norm").epsilon
    1e-05
    """
    return SynchronizedBatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, **kwargs)
