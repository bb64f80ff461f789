"""The settings of a recipe as keyword arguments, for editors and type checkers."""

from typing import Any, TypedDict

from keras_vit.recipes.groups import (
    Crop,
    Keep,
    Precision,
    Sampling,
    Stem,
)
from keras_vit.recipes.optimization import (
    Decay,
    MomentumDtype,
    OptimizerName,
    WeightDecayScaling,
)
from keras_vit.recipes.tasks import (
    ClassWeights,
    FromTeacher,
    Loss,
    MaskedPatches,
    TaskName,
)


class WordsAndNumbers(TypedDict, total=False):
    """The settings that are never objects: those of `RecipeSettings` but some."""

    dataset_options: dict[str, Any]
    model_arguments: dict[str, Any]
    stem_blocks: tuple[int, ...] | None
    stem_width_factor: float
    stem: Stem
    head_bias: float
    patch_size: int | None
    position_embedding: str | None
    position_embedding_at: str | None
    patch_dropout_rate: float | None
    image_size: int | None
    train_split: str
    eval_split: str | None
    validation: float | None
    evaluation_preprocessing: str | None
    epochs: int
    steps: int | None
    batch_size: int
    accumulation_steps: int
    evaluate_every: int | None
    checkpoint_every: int | None
    patience: int | None
    keep: Keep
    momentum: float
    beta2: float
    momentum_dtype: MomentumDtype
    base_lr: float
    decay: Decay
    warmup_steps: int
    cooldown_steps: int
    progressive_sizes: tuple[int, ...]
    weight_decay: float
    weight_decay_scaling: WeightDecayScaling
    layer_decay: float
    lr_multipliers: dict[str, float]
    freeze: tuple[str, ...]
    lora_rank: int | None
    lora_alpha: float | None
    lora_targets: tuple[str, ...]
    clip_norm: float | None
    ema: float | None
    label_smoothing: float
    class_weights: ClassWeights | None
    distillation: FromTeacher | None
    temperature: float
    distillation_alpha: float
    unlabelled_split: str | None
    pseudo_labels: FromTeacher | None
    min_confidence: float
    pseudo_per_class: int | None
    masked_patches: MaskedPatches | None
    precision: Precision
    remat: bool
    crop: Crop | None
    crop_area: float
    crop_padding: int | None
    resize_antialias: bool
    flip: bool
    randaugment_layers: int | None
    randaugment_magnitude: float
    random_erasing: float | None
    mixup: float | None
    cutmix: float | None
    repeats: int
    sampling: Sampling | None
    max_unreadable_fraction: float


class RecipeSettings(WordsAndNumbers, total=False):
    """The settings of a `Recipe`, which describes each.

    Data set, model, weights and teacher are arguments of `keras_vit.train` itself.
    """

    optimizer: OptimizerName
    augmentation: tuple[str, ...]
    loss: Loss


class AllSettings(RecipeSettings, total=False):
    """The settings of a `Recipe`, all of them words, numbers and the like."""

    task: TaskName
    weights: str | None
    teacher: str | None
