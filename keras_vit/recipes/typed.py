"""The settings of a recipe as keyword arguments, for editors and type checkers."""

from typing import Any, TypedDict

from keras_vit.recipes.recipe import (
    Crop,
    Decay,
    FromTeacher,
    Loss,
    MaskedPatches,
    MomentumDtype,
    OptimizerName,
    Precision,
    WeightDecayScaling,
)


class RecipeSettings(TypedDict, total=False):
    """The settings of a `Recipe`, which describes each.

    Data set, model, weights and teacher are arguments of `keras_vit.train` itself.
    """

    dataset_options: dict[str, Any]
    model_arguments: dict[str, Any]
    stem_blocks: tuple[int, ...] | None
    stem_width_factor: float
    head_bias: float
    patch_size: int
    position_embedding: str
    position_embedding_at: str
    patch_dropout_rate: float
    image_size: int
    train_split: str
    eval_split: str
    evaluation_preprocessing: str
    epochs: int
    steps: int
    batch_size: int
    accumulation_steps: int
    evaluate_every: int
    checkpoint_every: int
    optimizer: OptimizerName
    momentum: float
    beta2: float
    momentum_dtype: MomentumDtype
    base_lr: float
    decay: Decay
    warmup_steps: int
    cooldown_steps: int
    weight_decay: float
    weight_decay_scaling: WeightDecayScaling
    layer_decay: float
    lr_multipliers: dict[str, float]
    freeze: tuple[str, ...]
    lora_rank: int
    lora_alpha: float
    lora_targets: tuple[str, ...]
    clip_norm: float
    ema: float
    loss: Loss
    label_smoothing: float
    distillation: FromTeacher
    temperature: float
    distillation_alpha: float
    unlabelled_split: str
    pseudo_labels: FromTeacher
    min_confidence: float
    pseudo_per_class: int
    masked_patches: MaskedPatches
    precision: Precision
    remat: bool
    crop: Crop
    crop_area: float
    crop_padding: int
    flip: bool
    randaugment_layers: int
    randaugment_magnitude: float
    random_erasing: float
    mixup: float
    cutmix: float
    repeats: int
    max_unreadable_fraction: float
