"""Losses, one number an example.

B examples, K classes; logits and targets are `(B, K)`. Nothing is averaged
here: what an example weighs depends on the global batch, which a replica does
not see.
"""

import tensorflow as tf


def softmax_cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute `-sum_k t_k log softmax(z)_k`: one class an image, or a mixture.

    Example:

    >>> softmax_cross_entropy(tf.zeros((1, 4)), tf.eye(4)[:1]).numpy().round(4)
    array([1.3863], dtype=float32)
    """
    return -tf.reduce_sum(targets * tf.nn.log_softmax(logits), axis=-1)


def sigmoid_cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute `-sum_k t_k log s(z_k) + (1 - t_k) log s(-z_k)`, for each class.

    For multi-label images, as in ImageNet-21k and JFT; the
    reference begins such training with a head bias of -10, so that a class is
    rare at first.

    Example:

    >>> sigmoid_cross_entropy(tf.zeros((1, 4)), tf.eye(4)[:1]).numpy().round(4)
    array([2.7726], dtype=float32)
    """
    of_class = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(of_class, axis=-1)


def weighted(
    losses: tf.Tensor, targets: tf.Tensor, class_weights: tf.Tensor
) -> tf.Tensor:
    """Compute `loss sum_k t_k w_k`: each image by the weight of its class.

    A mixture of classes has the mean weight of its classes, by their shares. The sum
    is not divided by the weights', as in Keras.

    Args:
        losses: `(B,)`.
        targets: `(B, K)`, before they are smoothed.
        class_weights: w, `(K,)`.

    Example:

    >>> targets = tf.constant([[1.0, 0.0], [0.25, 0.75]])
    >>> weighted(tf.ones(2), targets, tf.constant([1.0, 3.0])).numpy()
    array([1. , 2.5], dtype=float32)
    """
    return losses * tf.linalg.matvec(targets, class_weights)


LOSSES = {"softmax": softmax_cross_entropy, "sigmoid": sigmoid_cross_entropy}
