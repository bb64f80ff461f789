"""The optimizer of a run, as its recipe or the caller describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from keras_vit.training.optimizers.keras_optimizer import KerasOptimizer
from keras_vit.training.optimizers.optimizer import Optimizer
from keras_vit.training.schedules import LearningRate, Schedule

if TYPE_CHECKING:
    import keras

    from keras_vit.recipes import OptimizerSettings, ScheduleSettings

AnyOptimizer: TypeAlias = Optimizer | KerasOptimizer


def build_optimizer(
    model: keras.Model,
    settings: OptimizerSettings,
    schedule: ScheduleSettings | Schedule,
    total_steps: int,
) -> Optimizer:
    """Build the optimizer of a recipe.

    Args:
        model: whose trainable weights it updates.
        settings: `recipe.optimizer`.
        schedule: `recipe.schedule`, or another learning rate of each step.
        total_steps: of the run.

    Raises:
        ValueError: for a schedule that does not fit the run, a pattern that
            matches no weight, or decay by a schedule that has no peak.
    """
    if not isinstance(schedule, Schedule):
        schedule = LearningRate.of(schedule, total_steps)
    return Optimizer.of(settings, schedule, model)
