"""Settings of optimizer and schedule: groups that a recipe consists of."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from keras_vit.recipes.checked import (
    ABOVE_ZERO,
    BELOW_ONE,
    NOT_NEGATIVE,
    POSITIVE_SHARE,
    ZERO_RATE_IS_OFF,
    Settings,
    flat,
    off,
)

OptimizerName: TypeAlias = Literal["sgd", "adam", "adamw"]
MomentumDtype: TypeAlias = Literal["float32", "bfloat16"]
Decay: TypeAlias = Literal["cosine", "linear", "rsqrt", "constant"]
WeightDecayScaling: TypeAlias = Literal["rate", "schedule"]


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """What becomes of gradients.

    Attributes:
        name: `"sgd"` with momentum, or `"adam"`; weight decay is decoupled from
            either, so that `"adamw"` is another name of `"adam"`. The setting
            `optimizer`.
        momentum: of either; Adam's beta_1.
        beta2: of Adam.
        momentum_dtype: the dtype in which the momentum is stored.
        weight_decay: of kernels; not of biases, norms, class token and positions.
        weight_decay_scaling: what multiplies weight decay at each step:
            `"rate"`, the learning rate, as in AdamW; or `"schedule"`, the
            learning rate divided by base_lr, as in big_vision.
        layer_decay: the learning rate's factor from a block to the one below.
        lr_multipliers: factors of the learning rate of some weights, by pattern
            of their paths: `{"head/*": 10}`.
        clip_norm: the largest norm of the whole gradient; `None`: any.
        ema: the decay of the weights' exponential moving average, which is then
            evaluated and saved.
    """

    name: OptimizerName = field(default="adam", metadata=flat("optimizer"))
    momentum: float = field(default=0.9, metadata=BELOW_ONE)
    beta2: float = field(default=0.999, metadata=BELOW_ONE)
    momentum_dtype: MomentumDtype = "float32"
    weight_decay: float = field(default=0.05, metadata=NOT_NEGATIVE)
    weight_decay_scaling: WeightDecayScaling = "rate"
    layer_decay: float = field(default=1.0, metadata=POSITIVE_SHARE)
    lr_multipliers: dict[str, float] = field(default_factory=dict)
    clip_norm: float | None = field(
        default=1.0, metadata={**ABOVE_ZERO, **off(float("inf"))}
    )
    ema: float | None = field(default=None, metadata=ZERO_RATE_IS_OFF)

    def __post_init__(self) -> None:
        super().__post_init__()
        factors = self.lr_multipliers.values()
        if not all(0 <= factor < float("inf") for factor in factors):
            raise ValueError(
                "lr_multipliers must not be negative. "
                f"Received: lr_multipliers={self.lr_multipliers}"
            )


@dataclass(frozen=True)
class ScheduleSettings(Settings):
    """What changes over the steps of a run: learning rate and image size.

    Attributes:
        base_lr: the learning rate at the end of the warm-up.
        decay: of the learning rate after the warm-up.
        warmup_steps: steps in which the learning rate grows linearly from 0.
        cooldown_steps: the last steps, in which it falls linearly to 0.
        progressive_sizes: sides of images, in pixels, at which the first parts of the
            run train, smaller than the model's: progressive resizing
            (arXiv:2104.00298), which saves time. Each is one part, the model's own
            size the last, all equally long: `16,16,24` are four quarters.
    """

    base_lr: float = field(default=1e-3, metadata=NOT_NEGATIVE)
    decay: Decay = "cosine"
    warmup_steps: int = field(default=60, metadata=NOT_NEGATIVE)
    cooldown_steps: int = field(default=0, metadata=NOT_NEGATIVE)
    progressive_sizes: tuple[int, ...] = ()
