"""One training step of a model."""

import contextlib

import tensorflow as tf

from keras_vit.training.adapters.adapted import adapted
from keras_vit.training.optimizers import SGD, Optimizer
from keras_vit.training.schedules import LearningRate
from keras_vit.training.step import TrainingState, training_step
from keras_vit.training.tasks.classification import supervised

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


def adapted_by(recipe, model):
    """Adapt a model as a recipe says; what is returned has to be kept, or closed."""
    with contextlib.ExitStack() as adapters:
        adapters.enter_context(adapted(model, recipe.model))
        return adapters.pop_all()
