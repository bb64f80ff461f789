"""Settings of model, data, augmentation and run: groups that a recipe consists of."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, TypeAlias

from keras_vit.augmentation_names import check_names
from keras_vit.preprocessing import resolve
from keras_vit.recipes.checked import (
    ABOVE_ZERO,
    HAS_NONE,
    NOT_NEGATIVE,
    PART,
    POSITIVE_COUNT,
    POSITIVE_SHARE,
    SHARE,
    ZERO_IS_OFF,
    ZERO_RATE_IS_OFF,
    Settings,
    flat,
    off,
)

# The values of settings that are words; their tables lie where the work is done.
Sampling: TypeAlias = Literal["balanced"]
Stem: TypeAlias = Literal["resnet", "basic_resnet"]
Precision: TypeAlias = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Crop: TypeAlias = Literal["inception", "random_resized", "pad"]
Keep: TypeAlias = Literal["last", "best"]


@dataclass(frozen=True)
class ModelSettings(Settings):
    """Which model is trained, and which of its weights.

    Attributes:
        name: a factory's name, one of Keras's networks such as
            `"keras:EfficientNetV2B0"`, or the path of a saved model; `None` where a
            model was passed to `train`. The setting `model`.
        arguments: of that factory, besides classes and image size. The setting
            `model_arguments`.
        stem_blocks: for a hybrid of size `"ViT"`, the stages of its ResNet.
        stem_width_factor: of that ResNet.
        stem: which ResNet that is, `"resnet"`, the paper's (`layers.ResNetStem`), or
            `"basic_resnet"`, for small images (`layers.BasicResNetStem`).
        weights: initial weights, as a factory takes them; random by default.
        head_bias: the head's first bias; -10 makes every class rare at first.
        patch_size: the side of a patch, instead of the model's own; published
            weights are resized to it.
        position_embedding: of a ViT, as its factory takes it, instead of the
            one in `model_arguments`.
        position_embedding_at: of a ViT, as its factory takes it, instead of the
            one in `model_arguments`.
        patch_dropout_rate: the fraction of the patches that training drops from
            each image, instead of the one in `model_arguments`.
        image_size: the side of an image, in pixels. A model that is loaded is
            resized to it, as for the paper's fine-tuning at a higher resolution. By
            default the model's own; 224 for one that is built.
        precision: `"mixed_bfloat16"` computes in bfloat16, `"mixed_float16"` in
            float16, whose loss is scaled: a step that overflows is skipped.
        remat: whether blocks are computed again in the backward pass, which
            saves memory and costs time.
        freeze: patterns of the names of layers that are not trained in this run.
        lora_rank: the rank of the low-rank kernels that are trained beside the
            frozen kernels of blocks, together with the head (LoRA,
            arXiv:2106.09685); they are merged at the end.
        lora_alpha: LoRA's factor, which is divided by the rank; by default the rank.
        lora_targets: the kernels that LoRA adapts: some of `query`, `key`,
            `value`, `out`, `gate`, `fc1`, `fc2`.
    """

    name: str | None = field(default=None, metadata=flat("model"))
    _: KW_ONLY
    arguments: dict[str, Any] = field(
        default_factory=dict, metadata=flat("model_arguments")
    )
    stem_blocks: tuple[int, ...] | None = None
    stem_width_factor: float = field(default=1.0, metadata=ABOVE_ZERO)
    stem: Stem = "resnet"
    weights: str | None = None
    head_bias: float = 0.0
    patch_size: int | None = field(default=None, metadata=ZERO_IS_OFF)
    position_embedding: str | None = field(default=None, metadata=HAS_NONE)
    position_embedding_at: str | None = None
    patch_dropout_rate: float | None = field(default=None, metadata=ZERO_RATE_IS_OFF)
    image_size: int | None = field(default=None, metadata=POSITIVE_COUNT)
    precision: Precision = "float32"
    remat: bool = False
    freeze: tuple[str, ...] = ()
    lora_rank: int | None = field(default=None, metadata=ZERO_IS_OFF)
    lora_alpha: float | None = field(default=None, metadata=ZERO_IS_OFF)
    lora_targets: tuple[str, ...] = ("query", "value")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lora_alpha is not None and self.lora_rank is None:
            raise ValueError(
                "lora_alpha goes with lora_rank. "
                f"Received: lora_alpha={self.lora_alpha}, lora_rank=none"
            )


@dataclass(frozen=True)
class DataSettings(Settings):
    """Which images a run learns from, and which evaluate it.

    Attributes:
        name: of the data set in `keras_vit.data`, or a folder; `None` where the
            recipe's own is not public and one has to be named. The setting
            `dataset`.
        options: how `keras_vit.data.load` reads it, by argument, such as
            `{"group": "patient"}`. The setting `dataset_options`.
        train_split: the split to train on, such as `"train[:98%]"`.
        eval_split: the split to evaluate on, during the run and at its end. By default
            the validation split during the run and the test split once, at its end;
            without a validation split, the test split both times.
        validation: the fraction of the training images that is taken for validation,
            by the hash of each image or group, where the data set has no validation
            split.
        evaluation_preprocessing: how images become the model's size in
            evaluation, as `keras_vit.preprocessing` names it, such as
            `"timm:0.9"`; the model keeps it. The model's own by default.
        sampling: `"balanced"`: each class is drawn equally often, whatever its share
            of the training images is; by default each image once an epoch.
        max_unreadable_fraction: the fraction of the training images that may be
            unreadable; other images replace them. Above it the run stops.
    """

    name: str | None = field(default=None, metadata=flat("dataset"))
    _: KW_ONLY
    options: dict[str, Any] = field(
        default_factory=dict, metadata=flat("dataset_options")
    )
    train_split: str = "train"
    eval_split: str | None = None
    validation: float | None = field(default=None, metadata={**PART, **off(0)})
    evaluation_preprocessing: str | None = None
    sampling: Sampling | None = None
    max_unreadable_fraction: float = field(default=0.01, metadata=SHARE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.evaluation_preprocessing is not None:
            resolve(self.evaluation_preprocessing)


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings(Settings):
    """How training images are changed at random.

    Attributes:
        layers: what else changes each image at random, in order: preprocessing
            layers of Keras and KerasCV by name, such as `"keras_cv:AugMix"`. The
            setting `augmentation`.
        crop: `"inception"`, as Google's code draws its windows,
            `"random_resized"`, as torchvision and timm do, or `"pad"`.
        crop_area: the smallest fraction of the image that `"inception"` and
            `"random_resized"` keep.
        crop_padding: pixels by which `"pad"` may move the image.
        resize_antialias: whether a crop that is more than twice as long or wide as
            the model's images is resized with antialiasing, as those of large
            photographs need; without it pixels are left out between others, as the
            reference did with its smaller images.
        flip: whether images are mirrored at random.
        randaugment_layers: operations of RandAugment on each image.
        randaugment_magnitude: their strength, 10 being usual.
        random_erasing: the probability that a rectangle of an image becomes noise.
        mixup: alpha of MixUp's Beta(alpha, alpha) distribution.
        cutmix: alpha of CutMix's Beta(alpha, alpha) distribution; with mixup,
            each batch has one of the two.
        repeats: how often an image is in its batch, augmented anew each time.
    """

    layers: tuple[str, ...] = field(default=(), metadata=flat("augmentation"))
    crop: Crop | None = None
    crop_area: float = field(default=0.05, metadata=POSITIVE_SHARE)
    crop_padding: int | None = field(default=None, metadata=ZERO_IS_OFF)
    resize_antialias: bool = False
    flip: bool = False
    randaugment_layers: int | None = field(default=None, metadata=ZERO_IS_OFF)
    randaugment_magnitude: float = field(default=10.0, metadata=NOT_NEGATIVE)
    random_erasing: float | None = field(default=None, metadata={**SHARE, **off(0)})
    mixup: float | None = field(default=None, metadata=ZERO_IS_OFF)
    cutmix: float | None = field(default=None, metadata=ZERO_IS_OFF)
    repeats: int = field(default=1, metadata=POSITIVE_COUNT)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.layers)
        if self.crop_padding is not None and self.crop != "pad":
            raise ValueError(
                "crop_padding goes with crop=pad. Received: "
                f"crop={self.crop or 'none'}, crop_padding={self.crop_padding}"
            )


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """How long a run is, in which parts, and when it is evaluated.

    Attributes:
        epochs: passes over the training split.
        steps: instead of epochs.
        batch_size: images in a step, on all devices together.
        accumulation_steps: parts of a batch that a device computes one after
            the other, whose gradients are summed; saves memory.
        evaluate_every: steps between evaluations; an epoch by default.
        checkpoint_every: steps between checkpoints; by default at each evaluation.
        patience: how many evaluations may follow the best one; the last of them ends
            the run. Any number by default.
        keep: the weights that are evaluated at the end, saved and exported: those of
            the `"last"` step, or of the `"best"` evaluation: the most accurate one,
            of equals that of the least loss.
    """

    epochs: int = field(default=10, metadata=POSITIVE_COUNT)
    steps: int | None = field(default=None, metadata=ZERO_IS_OFF)
    batch_size: int = field(default=100, metadata=POSITIVE_COUNT)
    accumulation_steps: int = field(default=1, metadata=POSITIVE_COUNT)
    evaluate_every: int | None = field(default=None, metadata=ZERO_IS_OFF)
    checkpoint_every: int | None = field(default=None, metadata=ZERO_IS_OFF)
    patience: int | None = field(default=None, metadata=POSITIVE_COUNT)
    keep: Keep = "last"

    @property
    def chooses(self) -> bool:
        """Whether evaluations on the way choose when it stops, or what is kept."""
        return self.patience is not None or self.keep == "best"

    def total_steps(self, training_images: int) -> int:
        """Return the steps of a run on so many images."""
        return self.steps or self.epochs * (training_images // self.batch_size)

    def evaluation_interval(self, training_images: int) -> int:
        """Return the steps from one evaluation to the next."""
        steps = self.evaluate_every or training_images // self.batch_size
        return min(steps, self.total_steps(training_images))
