import keras
import numpy as np
import tensorflow as tf
from conftest import randomize, tiny_vit

from keras_vit.training.step import training_step


def test_a_step_is_the_gradient_of_the_smoothed_cross_entropy(rng):
    """Against finite differences of the loss, computed in NumPy."""
    model = randomize(tiny_vit(num_layers=1), rng)
    images = rng.integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)
    labels = rng.integers(0, 5, 6)

    def loss():
        logits = np.asarray(model(images), np.float64)
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        targets = 0.8 * np.eye(5)[labels] + 0.2 / 5
        return -(targets * log_p).sum(1).mean()

    bias = model.get_layer("head").bias
    start, expected, h = bias.numpy(), np.zeros(5), 1e-2
    for index in range(5):
        sides = []
        for sign in (1, -1):
            bias.assign(start + sign * h * np.eye(5)[index])
            sides.append(loss())
        expected[index] = (sides[0] - sides[1]) / (2 * h)
    bias.assign(start)
    before = loss()

    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(model.trainable_variables)
    step = training_step(model, optimizer, label_smoothing=0.2)
    accuracy = (np.argmax(model(images), 1) == labels).mean()
    told_loss, told_accuracy = step(tf.constant(images), tf.constant(labels))
    np.testing.assert_allclose(start - bias.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(told_loss, before, rtol=1e-5)
    np.testing.assert_allclose(told_accuracy, accuracy, rtol=1e-6)
