"""Keras callbacks under `train`: which can work, and what they find as optimizer."""

import contextlib

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


def checked(callbacks):
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
                    f"{name} does not work with train: {why}. Expected callbacks "
                    f"without it. Received: {type(callback).__name__}"
                )
    return callbacks


class OptimizerOfTrain:
    """What callbacks find as `model.optimizer`: nothing that they could change."""

    weights = ()  # for files of Keras's format .h5

    def __getattr__(self, name):
        raise AttributeError(self._message(name))

    def __setattr__(self, name, value):
        raise AttributeError(self._message(name))

    def _message(self, name):
        return (
            "A callback asks for the optimizer of Keras, which train does not use: "
            f"{_RATE}. Received: model.optimizer.{name}"
        )


@contextlib.contextmanager
def without_optimizer(model):
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
