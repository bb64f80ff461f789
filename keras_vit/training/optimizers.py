"""The optimizers of the literature, as the reference computes them.

Keras's own differ where it shows: its SGD folds the learning rate into the
velocity, which under a schedule is another algorithm, and under
`tf.distribute` it sums gradients once more. These take the gradient as it is.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    import keras

    from keras_vit.training.schedules import LearningRate


# What weight decay leaves alone, by the end of a weight's path.
NOT_DECAYED = (
    *("bias", "gamma", "beta", "class_token", "distillation_token", "registers"),
    *("probe", "position_embedding", "position_embedding_x", "position_embedding_y"),
    *("offset_embedding", "mask_embedding"),
)
WEIGHT_DECAY_SCALINGS = ("rate", "schedule")


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

    @property
    def slots(self) -> dict[str, str]:
        return {"momentum": self.momentum_dtype}

    def update(
        self, weight: Any, gradient: Any, slots: Mapping[str, Any], step: Any, rate: Any
    ) -> None:
        """Update a weight, a `tf.Variable`, and its slots."""
        beta = tf.cast(tf.cast(self.momentum, self.momentum_dtype), "float32")
        m = beta * tf.cast(slots["momentum"], "float32") + gradient
        weight.assign_sub(rate * m)
        slots["momentum"].assign(_rounded(m, self.momentum_dtype, slots["momentum"]))


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

    @property
    def slots(self) -> dict[str, str]:
        return {"momentum": self.momentum_dtype, "second_moment": "float32"}

    def update(
        self, weight: Any, gradient: Any, slots: Mapping[str, Any], step: Any, rate: Any
    ) -> None:
        """Update a weight, a `tf.Variable`, and its slots."""
        t = tf.cast(step + 1, "float32")
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
        slots["momentum"].assign(_rounded(m, self.momentum_dtype, slots["momentum"]))
        slots["second_moment"].assign(v)


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
        schedule: a `LearningRate`.
        weight_decay: of every weight but those in `NOT_DECAYED`.
        weight_decay_scaling: `"rate"` or `"schedule"`.
        lr_multipliers: r_w by a weight's path; 1 for those not in it.
    """

    def __init__(
        self,
        weights: Iterable[Any],
        rule: SGD | Adam,
        schedule: LearningRate,
        weight_decay: float = 0.0,
        weight_decay_scaling: str = "rate",
        lr_multipliers: Mapping[str, float] | None = None,
    ) -> None:
        self.weights = list(weights)
        self.rule = rule
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.weight_decay_scaling = weight_decay_scaling
        self.lr_multipliers = lr_multipliers or {}
        self.slots = {
            slot: [
                tf.Variable(tf.zeros(weight.shape, _storable(dtype)), trainable=False)
                for weight in self.weights
            ]
            for slot, dtype in rule.slots.items()
        }

    def apply(self, gradients: Sequence[Any], step: Any) -> None:
        """Update every weight once, by float32 gradients in their order."""
        rate = self.schedule(step)
        followed = (
            rate if self.weight_decay_scaling == "rate" else self.schedule.factor(step)
        )
        for index, gradient in enumerate(gradients):
            path, weight = self.weights[index].path, self.weights[index].value
            factor = self.lr_multipliers.get(path, 1.0)
            if self.weight_decay and not path.endswith(NOT_DECAYED):
                weight.assign((1 - factor * self.weight_decay * followed) * weight)
            slots = {name: kept[index] for name, kept in self.slots.items()}
            self.rule.update(weight, gradient, slots, step, factor * rate)

    def variables(self) -> dict[str, tf.Variable]:
        """Return the slots' variables, `{slot/path of the weight: variable}`."""
        return {
            f"{name}/{weight.path}": variable
            for name, kept in self.slots.items()
            for weight, variable in zip(self.weights, kept, strict=True)
        }


def lr_multipliers(
    model: keras.Model,
    layer_decay: float = 1.0,
    patterns: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the factor of every trainable weight's learning rate.

    Args:
        model: a Keras model whose blocks are named `block_00`, `block_01`, ...
        layer_decay: the factor from one block to the one below it, as in
            BEiT (arXiv:2106.08254). What precedes the blocks lies one below
            the first, what follows them has a factor of 1. Positions of a
            block's own, `positions_00`, ..., lie where the block does.
        patterns: further factors `{pattern of a path: factor}`, such as
            `{"head/*": 10}`; all that match are multiplied.

    Returns:
        A dict of factors by path.

    Raises:
        ValueError: if a pattern matches no weight.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> lr_multipliers(model, layer_decay=0.5)["block_11/norm1/gamma"]
    0.5
    """
    paths = [weight.path for weight in model.trainable_variables]
    patterns = patterns or {}
    for pattern in patterns:
        if not fnmatch.filter(paths, pattern):
            raise ValueError(
                "lr_multipliers must match paths of weights, such as "
                f"{paths[-1]!r} or 'block_*'. Received: {pattern!r}, which matches none"
            )
    blocks = [int(found[1]) for path in paths if (found := _BLOCK.match(path))]
    num_blocks = max(blocks, default=-1) + 1
    first = next((i for i, path in enumerate(paths) if _BLOCK.match(path)), 0)
    factors = {}
    for place, path in enumerate(paths):
        found = _BLOCK.match(path)
        below = (
            num_blocks - int(found[1]) if found else (num_blocks + 1) * (place < first)
        )
        factors[path] = layer_decay**below
        for pattern, factor in patterns.items():
            if fnmatch.fnmatch(path, pattern):
                factors[path] *= factor
    return factors


_BLOCK = re.compile(r"(?:block|positions)_(\d+)/")


def _storable(dtype: str) -> str:
    """Return the dtype of a variable: TensorFlow sends no bfloat16 to other workers."""
    several = isinstance(
        tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy
    )
    return "float32" if several else dtype


def _rounded(value: Any, dtype: str, variable: Any) -> Any:
    """Round a value to `dtype`, for a variable that may hold more."""
    return tf.cast(tf.cast(value, dtype), variable.dtype)


def clip_by_global_norm(
    gradients: Sequence[Any], limit: float
) -> tuple[list[Any], Any]:
    """Scale gradients so that their joint norm is at most `limit`.

    Returns:
        The gradients and the norm that they had.
    """
    norm = tf.linalg.global_norm(gradients)
    factor = tf.where(norm < limit, 1.0, limit / norm)
    return [factor * gradient for gradient in gradients], norm
