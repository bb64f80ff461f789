"""Learning rates over the steps of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import tensorflow

from keras_vit.training.described import described

if TYPE_CHECKING:
    from keras_vit.recipes import ScheduleSettings

Schedule: TypeAlias = keras.optimizers.schedules.LearningRateSchedule
tf: Any = tensorflow  # whose stubs lack what is used here
ops: Any = keras.ops  # whose annotations allow for results that are None
LINEAR_END = 1e-5  # the reference's linear decay does not go down to 0
RSQRT_TIMESCALE = 10_000  # steps after which the rate is 1 / sqrt(2) of its peak


def _cosine(after_warmup: Any, progress: Any, base_lr: float) -> Any:
    return 0.5 * (1 + ops.cos(math.pi * progress))


def _linear(after_warmup: Any, progress: Any, base_lr: float) -> Any:
    end = min(LINEAR_END / base_lr, 1) if base_lr else 0
    return end + (1 - end) * (1 - progress)


def _rsqrt(after_warmup: Any, progress: Any, base_lr: float) -> Any:
    return ops.rsqrt(1 + ops.maximum(after_warmup, 0) / RSQRT_TIMESCALE)


def _constant(after_warmup: Any, progress: Any, base_lr: float) -> Any:
    return ops.ones_like(progress)


# The decay after the warm-up: steps since then, their share of all that
# remain, and the peak, to the share of the peak.
DECAYS = {
    "cosine": _cosine,
    "linear": _linear,
    "rsqrt": _rsqrt,
    "constant": _constant,
}


@keras.saving.register_keras_serializable(package="keras_vit")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Linear growth from 0, a decay, and linear fall to 0 at the end.

    Step k of T, w of them warm-up and c of them cool-down, has the rate
    `base min(1, k / w) d(k) min(1, (T - k) / c)`, where d is, with the
    progress p = (k - w) / (T - w) kept within [0, 1],

    - `"cosine"`: (1 + cos(pi p)) / 2, that of the paper's fine-tuning,
    - `"linear"`: 1 - p, but no rate below 1e-5,
    - `"rsqrt"`: 1 / sqrt(1 + (k - w) / 10,000), of "Scaling Vision
      Transformers" (arXiv:2106.04560), to be used with a cool-down,
    - `"constant"`: 1.

    Steps are counted from 0, so that with a warm-up the first has the rate 0,
    as in the reference.

    Args:
        base_lr: the rate at the end of the warm-up.
        total_steps: T.
        warmup_steps: w, less than T.
        decay: a key of `DECAYS`.
        cooldown_steps: c, at most T - w.

    Raises:
        ValueError: for an unknown decay, or steps that do not fit the run.

    Example:

    >>> rate = LearningRate(0.1, total_steps=100, warmup_steps=10)
    >>> round(float(rate(5)), 6), round(float(rate(55)), 6)
    (0.05, 0.05)
    """

    def __init__(
        self,
        base_lr: float,
        total_steps: int,
        warmup_steps: int = 0,
        decay: str = "cosine",
        cooldown_steps: int = 0,
    ) -> None:
        if decay not in DECAYS:
            raise ValueError(
                f"decay must be one of {', '.join(DECAYS)}. Received: decay={decay!r}"
            )
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "warmup_steps must be fewer than the steps of the run. "
                f"Received: warmup_steps={warmup_steps}, {total_steps} steps. Use a "
                "smaller warmup_steps, such as 0, or more epochs"
            )
        if not 0 <= cooldown_steps <= total_steps - warmup_steps:
            raise ValueError(
                f"cooldown_steps must fit into the {total_steps - warmup_steps} steps "
                f"after the warm-up. Received: cooldown_steps={cooldown_steps}"
            )
        self.base_lr = base_lr
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.decay = decay
        self.cooldown_steps = cooldown_steps

    @classmethod
    def of(cls, settings: ScheduleSettings, total_steps: int) -> LearningRate:
        """Return the learning rate of `recipe.schedule`, over so many steps."""
        return cls(
            settings.base_lr,
            total_steps,
            settings.warmup_steps,
            settings.decay,
            settings.cooldown_steps,
        )

    def factor(self, step: Any) -> Any:
        """Return the share of `base_lr` at a step, in [0, 1]."""
        step = ops.cast(step, "float32")
        after_warmup = step - self.warmup_steps
        progress = after_warmup / (self.total_steps - self.warmup_steps)
        progress = ops.clip(progress, 0.0, 1.0)
        factor = DECAYS[self.decay](after_warmup, progress, self.base_lr)
        if self.warmup_steps:
            factor = factor * ops.minimum(1.0, step / self.warmup_steps)
        if self.cooldown_steps:
            left = ops.maximum(self.total_steps - step, 0.0)
            factor = factor * ops.minimum(1.0, left / self.cooldown_steps)
        return factor

    def __call__(self, step: Any) -> Any:
        return self.base_lr * self.factor(step)

    def get_config(self) -> dict[str, Any]:
        return {
            "base_lr": self.base_lr,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "decay": self.decay,
            "cooldown_steps": self.cooldown_steps,
        }


class FunctionOfStep(keras.optimizers.schedules.LearningRateSchedule):
    """A function of the step as a schedule.

    Args:
        function: of the step, an int64 scalar counted from 0, by operations of
            `keras.ops` or TensorFlow; it returns the learning rate.

    Raises:
        ValueError: if it cannot be computed in the step or returns no scalar.

    Example:

    >>> rate = FunctionOfStep(lambda step: 0.1 / (1 + ops.cast(step, "float32")))
    >>> round(float(rate(3)), 6)
    0.025
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self._traced = tf.function(lambda step: tf.cast(function(step), "float32"))
        expected = (
            "schedule must compute the learning rate, a scalar, of the step, an int64 "
            "tensor, by keras.ops or TensorFlow, or be a keras.optimizers.schedules."
            f"LearningRateSchedule. Received: {self}"
        )
        try:
            rate = self._traced.get_concrete_function(tf.TensorSpec((), tf.int64))
        except Exception as error:  # of whatever the function does
            raise ValueError(f"{expected}, which raises {error!r:.500}") from error
        if rate.output_shapes != ():
            raise ValueError(f"{expected}, which returns shape {rate.output_shapes}")

    def __call__(self, step: Any) -> Any:
        return self._traced(tf.cast(step, tf.int64))

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))

    def get_config(self) -> dict[str, Any]:
        """Return what a run notes of the function: its name."""
        return {"function": described(self.function)}


def schedule_of(schedule: Any) -> Schedule:
    """Return a schedule or a function of the step as a schedule.

    Raises:
        TypeError: for anything else.
        ValueError: for a function that cannot be computed in the step.
    """
    if isinstance(schedule, Schedule):
        return schedule
    if not callable(schedule) or isinstance(schedule, type):
        raise TypeError(
            "schedule must be a function of the step or a keras.optimizers.schedules."
            f"LearningRateSchedule. Received: {schedule!r}"
        )
    return FunctionOfStep(schedule)
