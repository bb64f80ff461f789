"""The optimizers of the literature, as the reference computes them.

Keras's own differ where it shows: its SGD folds the learning rate into the
velocity, which under a schedule is another algorithm, and under
`tf.distribute` it sums gradients once more. These take the gradient as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_vit.training.optimizers.adam import Adam
from keras_vit.training.optimizers.decay import check_scaling, decayed, scale_of_decay
from keras_vit.training.optimizers.multipliers import lr_multipliers
from keras_vit.training.optimizers.sgd import SGD
from keras_vit.training.optimizers.slots import storable

if TYPE_CHECKING:
    import keras

    from keras_vit.recipes import OptimizerSettings
    from keras_vit.training.schedules import Schedule

# The rules, by the names that recipes know. AdamW is Adam whose weight decay is
# decoupled, as that of every rule is here.
RULES = {"sgd": SGD, "adam": Adam, "adamw": Adam}


class Optimizer:
    """A rule, a learning rate, and weight decay, for certain weights.

    Step k takes a weight w first to `(1 - r_w c(k)) w` and then along the rule
    by the rate `r_w f(k)`, where f is the schedule, r_w the weight's own
    factor and c the decay: `f(k) decay` where decay follows the rate, as in
    AdamW, or `f(k) decay / base_lr`, the schedule without its peak, as in
    big_vision.

    Args:
        weights: of the model, all to be updated.
        rule: `SGD` or `Adam`.
        schedule: a `LearningRate`, or another schedule of Keras's.
        weight_decay: of every weight but those in `NOT_DECAYED`.
        weight_decay_scaling: `"rate"` or `"schedule"`.
        lr_multipliers: r_w by a weight's path; 1 for those not in it.

    Raises:
        ValueError: for decay by a schedule that has no peak.

    Attributes:
        clips: whether the optimizer clips gradients by itself: it does not.
    """

    clips = False

    def __init__(
        self,
        weights: Iterable[Any],
        rule: SGD | Adam,
        schedule: Schedule,
        *,
        weight_decay: float = 0.0,
        weight_decay_scaling: str = "rate",
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        check_scaling(weight_decay, weight_decay_scaling, schedule)
        self.weights = list(weights)
        self.rule = rule
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.weight_decay_scaling = weight_decay_scaling
        self.lr_multipliers = lr_multipliers or {}
        self.slots = {
            slot: [
                tf.Variable(tf.zeros(weight.shape, storable(dtype)), trainable=False)
                for weight in self.weights
            ]
            for slot, dtype in rule.slots.items()
        }

    @classmethod
    def of(
        cls,
        settings: OptimizerSettings,
        schedule: Schedule,
        model: keras.Model,
        *,
        rule: SGD | Adam | None = None,
    ) -> Optimizer:
        """Build the optimizer of a recipe.

        Args:
            settings: `recipe.optimizer`.
            schedule: of the run.
            model: whose trainable weights it updates.
            rule: instead of that of the settings.

        Raises:
            ValueError: for a pattern that matches no weight, or decay by a schedule
                that has no peak.
        """
        return cls(
            model.trainable_variables,
            rule or RULES[settings.name].of(settings),
            schedule,
            weight_decay=settings.weight_decay,
            weight_decay_scaling=settings.weight_decay_scaling,
            lr_multipliers=lr_multipliers(
                model, settings.layer_decay, settings.lr_multipliers
            ),
        )

    def apply(self, gradients: Sequence[Any], step: Any, updates: Any = None) -> None:
        """Update every weight once.

        Args:
            gradients: float32, in the weights' order.
            step: which the learning rate follows.
            updates: how many have been made, where that is not `step`.
        """
        updates = step if updates is None else updates
        rate = self.schedule(step)
        scale = scale_of_decay(self.weight_decay_scaling, self.schedule, step, rate)
        for index, gradient in enumerate(gradients):
            path, weight = self.weights[index].path, self.weights[index].value
            factor = self.lr_multipliers.get(path, 1.0)
            if self.weight_decay and decayed(path):
                weight.assign((1 - factor * self.weight_decay * scale) * weight)
            slots = {name: kept[index] for name, kept in self.slots.items()}
            self.rule.update(
                weight, gradient, slots, updates=updates, rate=factor * rate
            )

    def variables(self) -> dict[str, tf.Variable]:
        """Return the slots' variables, `{slot/path of the weight: variable}`."""
        return {
            f"{name}/{weight.path}": variable
            for name, kept in self.slots.items()
            for weight, variable in zip(self.weights, kept, strict=True)
        }
