"""Keras's own optimizers under the training step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow

from keras_vit import compat
from keras_vit.training.schedules import FunctionOfStep, Schedule

tf: Any = tensorflow  # whose stubs lack what is used here

# Arguments of Keras's optimizers that train does itself, and what sets them there.
_OF_TRAIN = {
    "use_ema": "ema=0.999 averages the weights, and what is saved is their average",
    "loss_scale_factor": "precision=mixed_float16 scales the loss by itself",
    "gradient_accumulation_steps": "accumulation_steps cuts each batch into parts",
}
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


class KerasOptimizer:
    """An optimizer of Keras's, as the training step calls one.

    The step hands it the gradient of the global batch, summed over replicas and
    clipped; it does the rest: its own clipping, its weight decay, its rule, and the
    constraints of the weights. A copy is made, so that the caller's own stays as it
    is: what that has seen before does not count.

    Args:
        weights: of the model, all to be updated.
        optimizer: a `keras.optimizers.Optimizer`.
        schedule: of the learning rate, in place of the optimizer's own.

    Raises:
        TypeError: for anything but an optimizer of Keras's.
        ValueError: for one with an argument that `train` has settings for.

    Attributes:
        clips: whether the optimizer clips gradients by itself.
    """

    def __init__(
        self, weights: Iterable[Any], optimizer: Any, schedule: Schedule | None = None
    ) -> None:
        check_keras_optimizer(optimizer)
        self.weights = list(weights)
        self.schedule = schedule or _schedule_of(optimizer)
        self.clips = clips(optimizer)
        self._rate = _RateNow()
        self._copy = compat.copied_for_replicas(optimizer, self._rate)
        self._copy.build(self.weights)

    def apply(self, gradients: Sequence[Any], step: Any, updates: Any = None) -> None:
        """Update every weight once.

        Args:
            gradients: float32, in the weights' order.
            step: which the learning rate follows.
            updates: how many have been made, where that is not `step`; the optimizer
                counts them by itself.
        """
        self._rate.now = tf.cast(self.schedule(step), "float32")
        self._copy.apply(list(gradients), self.weights)

    def variables(self) -> dict[str, Any]:
        """Return what the optimizer keeps, `{class/number: variable}`."""
        kind = type(self._copy).__name__
        return {
            f"{kind}/{index:04}": one.value
            for index, one in enumerate(self._copy.variables)
        }


def check_keras_optimizer(optimizer: Any) -> None:
    """Refuse what cannot be an optimizer of the training step.

    Raises:
        TypeError, ValueError: as `KerasOptimizer` does.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "optimizer must be the one inside the LossScaleOptimizer: "
            f"{_OF_TRAIN['loss_scale_factor']}. Received: {optimizer!r}. Pass its "
            "inner_optimizer"
        )
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer must be a word of recipes or a keras.optimizers.Optimizer. "
            f"Received: {optimizer!r}"
        )
    for name, instead in _OF_TRAIN.items():
        if getattr(optimizer, name):
            raise ValueError(
                f"optimizer must not set {name}, as train has a setting for it: "
                f"{instead}. Received: {name}={getattr(optimizer, name)}. Leave it out"
            )


def clips(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether an optimizer of Keras's clips gradients by itself."""
    return any(getattr(optimizer, name) is not None for name in _CLIPPING)


class _RateNow(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of the step that is being taken, whatever the optimizer counts."""

    now: Any = 0.0

    def __call__(self, step: Any) -> Any:
        return self.now


def _schedule_of(optimizer: keras.optimizers.Optimizer) -> Schedule:
    """Return the learning rate that an optimizer has, as a schedule."""
    rate = compat.learning_rate_of(optimizer)
    if isinstance(rate, Schedule):
        return rate
    if isinstance(rate, keras.Variable):
        constant = float(rate.numpy())
        return FunctionOfStep(lambda step: constant)
    raise ValueError(
        "optimizer must have a number or a keras.optimizers.schedules."
        f"LearningRateSchedule as its learning_rate. Received: {rate!r}. Pass a "
        "function of the step by schedule= instead"
    )
