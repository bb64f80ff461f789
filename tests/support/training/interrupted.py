"""Runs that are stopped and resumed."""

import contextlib
import os
import pathlib
import signal
from unittest import mock

import keras

import keras_vit
from support.training.small import small_dataset, small_recipe

# Everything on that could tell one image from another: 5 steps an epoch, a
# look every 7, a checkpoint every 3.
RECIPE = small_recipe(
    epochs=4,
    evaluate_every=7,
    checkpoint_every=3,
    crop="pad",
    crop_padding=1,
    flip=True,
    randaugment_layers=1,  # each takes a second to trace
    mixup=0.3,
    ema=0.9,
)
# Where nothing is compared.
PLAIN = small_recipe(epochs=4, evaluate_every=7, checkpoint_every=3)

EXPORT = "keras_vit.training.artifacts.results.export"
OF_TIME = {"images_per_second", "seconds"}


def train(folder, callbacks=(), recipe=RECIPE, **options):
    """A run that exports nothing, which takes most of the time of a short one."""
    exported = pathlib.Path("savedmodels", "run", "1")
    with contextlib.chdir(folder), mock.patch(EXPORT, return_value=exported):
        return keras_vit.train(
            recipe,
            dataset=small_dataset(),
            folder=folder / "run",
            callbacks=list(callbacks),
            **options,
        )


def outcome(run):
    """What has to be equal bit for bit."""
    rows = [{k: v for k, v in row.items() if k not in OF_TIME} for row in run.history]
    return rows, [weight.numpy().tobytes() for weight in run.model.weights]


class At(keras.callbacks.Callback):
    """Does something once, the n-th time that a hook is called."""

    def __init__(self, hook, number, action):
        super().__init__()
        self.left, self.action = number, action
        setattr(self, hook, self._hear)

    def _hear(self, *arguments, **named):
        self.left -= 1
        if self.left == 0:
            self.action()


def ask_to_end(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
