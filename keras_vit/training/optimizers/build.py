"""The optimizer of a run, as its recipe or the caller describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import keras

from keras_vit.training.optimizers.adam import Adam
from keras_vit.training.optimizers.keras_optimizer import (
    KerasOptimizer,
    check_keras_optimizer,
    clips,
)
from keras_vit.training.optimizers.optimizer import Optimizer
from keras_vit.training.optimizers.sgd import SGD
from keras_vit.training.schedules import LearningRate, Schedule

if TYPE_CHECKING:
    from keras_vit.recipes import OptimizerSettings, ScheduleSettings

AnyOptimizer: TypeAlias = Optimizer | KerasOptimizer
OF_THE_SCHEDULE = ("base_lr", "decay", "warmup_steps", "cooldown_steps")


def build_optimizer(
    model: keras.Model,
    settings: OptimizerSettings,
    schedule: ScheduleSettings | Schedule,
    total_steps: int,
    *,
    passed: Any = None,
) -> AnyOptimizer:
    """Build the optimizer of a run.

    Args:
        model: whose trainable weights it updates.
        settings: `recipe.optimizer`.
        schedule: `recipe.schedule`, or another learning rate of each step.
        total_steps: of the run.
        passed: `SGD` or `Adam`, instead of the recipe's rule; or an optimizer of
            Keras's, which has a learning rate of its own in place of
            `recipe.schedule` and does without the other settings.

    Raises:
        ValueError: for a schedule that does not fit the run, a pattern that
            matches no weight, or decay by a schedule that has no peak.
    """
    if isinstance(passed, keras.optimizers.Optimizer):
        own = schedule if isinstance(schedule, Schedule) else None
        return KerasOptimizer(model.trainable_variables, passed, own)
    if not isinstance(schedule, Schedule):
        schedule = LearningRate.of(schedule, total_steps)
    return Optimizer.of(settings, schedule, model, rule=passed)


def check_optimizer(optimizer: Any) -> None:
    """Refuse what cannot be passed as the optimizer of a run.

    Raises:
        TypeError, ValueError: as `KerasOptimizer` does.
    """
    if not isinstance(optimizer, SGD | Adam):
        check_keras_optimizer(optimizer)


def settings_replaced_by(optimizer: Any) -> tuple[str, ...]:
    """Return the settings of a recipe that an optimizer that was passed replaces."""
    of_rule = ("momentum", "beta2", "momentum_dtype")
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return of_rule
    clipping = ("clip_norm",) if clips(optimizer) else ()
    decay = ("weight_decay", "weight_decay_scaling")
    return (*of_rule, *decay, *clipping, *OF_THE_SCHEDULE)
