"""Keras callbacks under `train`: which are accepted, and the optimizer they see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

import keras

_RATE = (
    "the learning rate of a step follows from the settings base_lr, warmup_steps, "
    "decay and cooldown_steps"
)
_RESUMES = "a run resumes by itself, from checkpoints as often as checkpoint_every says"
REFUSED = {  # a callback of Keras, and what train has in its place
    "LearningRateScheduler": _RATE,
    "ReduceLROnPlateau": _RATE,
    "BackupAndRestore": _RESUMES,
    "OrbaxCheckpoint": _RESUMES,
    "SwapEMAWeights": "the setting ema averages weights",
}


def checked(callbacks: Any) -> list[keras.callbacks.Callback]:
    """Return callbacks as a list.

    Raises:
        TypeError: if they are not a list of Keras callbacks.
        ValueError: for one that needs what the training step does not ask.
    """
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "callbacks must be a list of keras.callbacks.Callback. "
                f"Received: {callback!r}"
            )
        for name, why in REFUSED.items():
            if isinstance(callback, getattr(keras.callbacks, name)):
                raise ValueError(
                    f"callbacks must not hold {name}, which does not work with train: "
                    f"{why}. Received: {type(callback).__name__}. Leave it out"
                )
    return callbacks


class OptimizerOfTrain:
    """Refuse what callbacks look for in `model.optimizer`."""

    weights = ()  # for files of Keras's format .h5

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(self._message(name))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(self._message(name))

    def _message(self, name: str) -> str:
        return (
            "Callbacks must not use model.optimizer, as train has its own optimizer: "
            f"{_RATE}. Received: model.optimizer.{name}"
        )


@contextlib.contextmanager
def without_optimizer(model: keras.Model) -> Iterator[None]:
    """Keep a model's optimizer, which the training step never reads, from callbacks."""
    compiled = hasattr(model, "optimizer")
    before = getattr(model, "optimizer", None)
    model.optimizer = OptimizerOfTrain()
    try:
        yield
    finally:
        model.optimizer = before
        if not compiled:
            del model.optimizer
