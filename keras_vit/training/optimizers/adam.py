"""Adam and, with decoupled weight decay, AdamW."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_vit.training.optimizers.slots import rounded

if TYPE_CHECKING:
    from keras_vit.recipes import OptimizerSettings


@dataclass(frozen=True)
class Adam:
    """Adam (arXiv:1412.6980): `w <- w - rate m' / (sqrt(v') + epsilon)`.

    m and v are the averages of the gradient and of its square, m' and v' the
    same without the pull of their start at 0. Weight decay, which stands
    apart, makes AdamW (arXiv:1711.05101) of it.

    Attributes:
        momentum: beta_1.
        beta2: beta_2.
        epsilon: outside the root.
        momentum_dtype: in which m is kept between steps.
    """

    momentum: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    momentum_dtype: str = "float32"

    @classmethod
    def of(cls, settings: OptimizerSettings) -> Adam:
        """Return the rule of `recipe.optimizer`."""
        return cls(
            settings.momentum,
            settings.beta2,
            momentum_dtype=settings.momentum_dtype,
        )

    @property
    def slots(self) -> dict[str, str]:
        return {"momentum": self.momentum_dtype, "second_moment": "float32"}

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
        t = tf.cast(updates + 1, "float32")
        left1, left2 = tf.pow(self.momentum, t), tf.pow(self.beta2, t)
        root = tf.sqrt(1 - left2)
        if self.momentum_dtype == "float32":
            # One pass over memory where the formula below takes ten. The
            # kernel's epsilon stands before the correction of v.
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=slots["momentum"].handle,
                v=slots["second_moment"].handle,
                beta1_power=left1,
                beta2_power=left2,
                lr=rate,
                beta1=self.momentum,
                beta2=self.beta2,
                epsilon=self.epsilon * root,
                grad=gradient,
            )
            return
        m = self.momentum * tf.cast(slots["momentum"], "float32")
        m += (1 - self.momentum) * gradient
        v = self.beta2 * slots["second_moment"]
        v += (1 - self.beta2) * tf.square(gradient)
        scale = rate * root / (1 - left1)
        weight.assign_sub(scale * m / (tf.sqrt(v) + self.epsilon * root))
        slots["momentum"].assign(rounded(m, self.momentum_dtype, slots["momentum"]))
        slots["second_moment"].assign(v)
