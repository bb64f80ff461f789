"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_vit.training.optimizers.slots import rounded

if TYPE_CHECKING:
    from keras_vit.recipes import OptimizerSettings


@dataclass(frozen=True)
class SGD:
    """Momentum with the learning rate outside: `m <- beta m + g; w <- w - rate m`.

    As in the paper's fine-tuning (appendix B.1.1), where m is kept in
    bfloat16 and beta is rounded to it.

    Attributes:
        momentum: beta.
        momentum_dtype: in which m is kept between steps.
    """

    momentum: float = 0.9
    momentum_dtype: str = "float32"

    @classmethod
    def of(cls, settings: OptimizerSettings) -> SGD:
        """Return the rule of `recipe.optimizer`."""
        return cls(settings.momentum, settings.momentum_dtype)

    @property
    def slots(self) -> dict[str, str]:
        return {"momentum": self.momentum_dtype}

    def update(
        self,
        weight: Any,
        gradient: Any,
        slots: Mapping[str, Any],
        *,
        updates: Any,
        rate: Any,
    ) -> None:
        """Update a weight, a `tf.Variable`, and its slots.

        Args:
            weight: to be updated.
            gradient: float32, of its shape.
            slots: its variables, by name.
            updates: how many have been made.
            rate: the weight's own learning rate.
        """
        beta = tf.cast(tf.cast(self.momentum, self.momentum_dtype), "float32")
        m = beta * tf.cast(slots["momentum"], "float32") + gradient
        weight.assign_sub(rate * m)
        slots["momentum"].assign(rounded(m, self.momentum_dtype, slots["momentum"]))
