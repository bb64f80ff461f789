"""Keras callbacks under `train`: which are accepted, and the optimizer they see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from keras_vit.training.step import TrainingState

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
    """What callbacks find in `model.optimizer`: the step and its rate, to read.

    Args:
        state: of the run, whose optimizer it shows.
        config: what makes the optimizer, for callbacks that write it down.

    Attributes:
        learning_rate: of the next step, a scalar tensor.
        iterations: how many steps have been taken, a scalar tensor.
    """

    weights = ()  # for files of Keras's format .h5

    def __init__(self, state: TrainingState, config: Mapping[str, Any]) -> None:
        vars(self).update(_state=state, _config=dict(config))

    @property
    def learning_rate(self) -> tf.Tensor:
        rate = self._state.optimizer.schedule(self.iterations)
        return tf.convert_to_tensor(rate, tf.float32)

    @property
    def iterations(self) -> tf.Tensor:
        return tf.constant(self._state.steps_taken(), tf.int64)

    def get_config(self) -> dict[str, Any]:
        """Return what makes the optimizer, by name."""
        return dict(self._config)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(self._message(name))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(self._message(name))

    def _message(self, name: str) -> str:
        return (
            "Callbacks must not use model.optimizer but to read learning_rate and "
            f"iterations, as train has its own optimizer: {_RATE}. "
            f"Received: model.optimizer.{name}"
        )


@contextlib.contextmanager
def optimizer_shown(
    model: keras.Model, state: TrainingState, config: Mapping[str, Any]
) -> Iterator[None]:
    """Show callbacks the run's optimizer in place of the model's own.

    The training step never reads that one, so nothing must be set in it.

    Args:
        model: that callbacks see.
        state: of the run.
        config: what makes the run's optimizer.
    """
    compiled = hasattr(model, "optimizer")
    before = getattr(model, "optimizer", None)
    model.optimizer = OptimizerOfTrain(state, config)
    try:
        yield
    finally:
        model.optimizer = before
        if not compiled:
            del model.optimizer
