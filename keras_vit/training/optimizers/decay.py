"""Weight decay, decoupled from the gradient: of which weights, and how much."""

from __future__ import annotations

from typing import Any

from keras_vit.layers.differential_attention import VECTORS
from keras_vit.training.schedules import LearningRate

# What weight decay leaves alone, by the end of a weight's path.
NOT_DECAYED = (
    "bias",
    "gamma",
    "beta",
    "/scale",  # of an RMS norm
    "class_token",
    "distillation_token",
    "registers",
    "probe",
    "position_embedding",
    "position_embedding_x",
    "position_embedding_y",
    "offset_embedding",
    "relative_bias/table",
    "rotary/frequencies",
    *VECTORS,
    "mask_embedding",
)
WEIGHT_DECAY_SCALINGS = ("rate", "schedule")


def decayed(path: str) -> bool:
    """Return whether weight decay shrinks the weight at `path`."""
    return not path.endswith(NOT_DECAYED)


def scale_of_decay(scaling: str, schedule: Any, step: Any, rate: Any) -> Any:
    """Return what multiplies weight decay at a step.

    Args:
        scaling: `"rate"`: the learning rate, as in AdamW; `"schedule"`: the learning
            rate divided by its peak, as in big_vision.
        schedule: of the run.
        step: that is taken.
        rate: the learning rate there.
    """
    return rate if scaling == "rate" else schedule.factor(step)


def check_scaling(weight_decay: float, scaling: str, schedule: Any) -> None:
    """Refuse a schedule without a peak, where weight decay is scaled by it.

    Raises:
        ValueError: for `"schedule"` and another schedule than `LearningRate`.
    """
    needs_peak = weight_decay and scaling == "schedule"
    if needs_peak and not isinstance(schedule, LearningRate):
        raise ValueError(
            "weight_decay_scaling=schedule divides the learning rate by base_lr, so it "
            f"needs the recipe's own schedule. Received: schedule={schedule!r}. Set "
            "weight_decay_scaling=rate, which multiplies weight decay by the learning "
            "rate, as AdamW does"
        )
