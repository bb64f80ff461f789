"""One training step of a model."""

import tensorflow as tf

from keras_vit.training.objectives import supervised
from keras_vit.training.optimizers import SGD, Optimizer
from keras_vit.training.schedules import LearningRate
from keras_vit.training.step import TrainingState, training_step

ONE = tf.distribute.get_strategy()


def made(model, rule=None, rate=None, loss="softmax", label_smoothing=0.0, **options):
    """A state and its step, by plain gradient descent unless told otherwise."""
    optimizer = Optimizer(
        model.trainable_variables,
        rule or SGD(0.0),
        rate or LearningRate(1.0, 100, decay="constant"),
    )
    state = TrainingState(model, optimizer, averaged="ema" in options)
    objective = supervised(model, loss, label_smoothing)
    return state, training_step(state, objective, ONE, **options)
