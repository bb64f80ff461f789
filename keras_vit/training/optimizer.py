"""The optimizer of a recipe and its learning rate."""

import math

import keras
from keras import ops

# What weight decay leaves alone, by the end of a weight's path.
NOT_DECAYED = (
    *("bias", "gamma", "beta", "class_token", "registers", "probe"),
    "position_embedding",
)


@keras.saving.register_keras_serializable(package="keras_vit")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear growth from 0, then half a cosine down to 0.

    Step k of T, w of them warm-up, has the rate
    `base min(1, k / w) (1 + cos(pi max(0, k - w) / (T - w))) / 2`,
    that of the ViT paper's fine-tuning (arXiv:2010.11929, appendix B.1.1).
    Steps are counted from 0, so that the first has the rate 0, as there.

    Args:
        base_lr: the rate at the end of the warm-up.
        total_steps: T.
        warmup_steps: w, less than T.

    Raises:
        ValueError: if the warm-up is not shorter than the run.

    Example:

    >>> round(float(WarmupCosine(0.1, total_steps=100, warmup_steps=10)(5)), 6)
    0.05
    """

    def __init__(self, base_lr, total_steps, warmup_steps=0):
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "warmup_steps must be fewer than the steps of the run. "
                f"Received: warmup_steps={warmup_steps}, {total_steps} steps"
            )
        self.base_lr = base_lr
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        progress = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        cosine = 0.5 * (1 + ops.cos(math.pi * ops.clip(progress, 0.0, 1.0)))
        warmup = ops.minimum(1.0, step / max(self.warmup_steps, 1))
        return self.base_lr * cosine * (warmup if self.warmup_steps else 1.0)

    def get_config(self):
        return {
            "base_lr": self.base_lr,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }


def adamw(model, recipe, total_steps):
    """Gives AdamW with a recipe's schedule, decay and clipping, built for a model."""
    optimizer = keras.optimizers.AdamW(
        WarmupCosine(recipe.base_lr, total_steps, recipe.warmup_steps),
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm,
    )
    optimizer.exclude_from_weight_decay(
        var_list=[
            weight
            for weight in model.trainable_variables
            if weight.path.endswith(NOT_DECAYED)
        ]
    )
    optimizer.build(model.trainable_variables)
    return optimizer
