"""The optimizer of a run, as its recipe describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_vit.training.optimizers.optimizer import Optimizer
from keras_vit.training.schedules import LearningRate

if TYPE_CHECKING:
    import keras

    from keras_vit.recipes import OptimizerSettings, ScheduleSettings


def build_optimizer(
    model: keras.Model,
    settings: OptimizerSettings,
    schedule: ScheduleSettings,
    total_steps: int,
) -> Optimizer:
    """Build the optimizer of a recipe.

    Args:
        model: whose trainable weights it updates.
        settings: `recipe.optimizer`.
        schedule: `recipe.schedule`.
        total_steps: of the run.

    Raises:
        ValueError: for a schedule that does not fit the run, or a pattern that
            matches no weight.
    """
    return Optimizer.of(settings, LearningRate.of(schedule, total_steps), model)
