"""One step of training."""

import keras
import tensorflow as tf


def training_step(model, optimizer, label_smoothing):
    """Gives the function that takes one step.

    Args:
        model: gives logits of K classes.
        optimizer: built for the model's trainable variables.
        label_smoothing: the share of a target spread over all classes.

    Returns:
        A function of images `(B, H, W, 3)` and labels `(B,)` that updates the
        model and returns the batch's mean loss and accuracy, from before the
        update.
    """
    loss_of = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing
    )
    weights = model.trainable_variables

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            targets = tf.one_hot(labels, logits.shape[-1])
            loss = loss_of(targets, logits)
        optimizer.apply(tape.gradient(loss, weights), weights)
        right = tf.argmax(logits, axis=-1) == tf.cast(labels, tf.int64)
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    return step
