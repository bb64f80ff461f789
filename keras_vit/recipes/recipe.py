"""What a recipe is."""

import functools
import math
import warnings
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from keras_vit.preprocessing import resolve
from keras_vit.renamed import with_new_names

# Settings of earlier versions. Files hold them too, and are read in silence.
RENAMED = {
    "most_unreadable": "max_unreadable_fraction",
    "least_confidence": "min_confidence",
    "rate_factors": "lr_multipliers",
    "micro_batches": "accumulation_steps",
    "distillation_share": "distillation_alpha",
    "decay_follows": "weight_decay_scaling",
}

# The values of settings that are words. The tables behind them lie where the
# work is done.
OptimizerName: TypeAlias = Literal["sgd", "adam"]
MomentumDtype: TypeAlias = Literal["float32", "bfloat16"]
Decay: TypeAlias = Literal["cosine", "linear", "rsqrt", "constant"]
WeightDecayScaling: TypeAlias = Literal["rate", "schedule"]
Loss: TypeAlias = Literal["softmax", "sigmoid"]
FromTeacher: TypeAlias = Literal["none", "soft", "hard"]
MaskedPatches: TypeAlias = Literal["none", "mean_color", "colors_4x4", "pixels"]
Precision: TypeAlias = Literal["float32", "mixed_bfloat16"]
Crop: TypeAlias = Literal["none", "inception", "pad"]
CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(OptimizerName),
    "momentum_dtype": get_args(MomentumDtype),
    "decay": get_args(Decay),
    "weight_decay_scaling": get_args(WeightDecayScaling),
    "loss": get_args(Loss),
    "distillation": get_args(FromTeacher),
    "pseudo_labels": get_args(FromTeacher),
    "masked_patches": get_args(MaskedPatches),
    "precision": get_args(Precision),
    "crop": get_args(Crop),
}


def new_name(setting: str, *, stacklevel: int) -> str:
    """Return what a setting is called now.

    Args:
        setting: its name, or that of an earlier version.
        stacklevel: of the warning, as `warnings.warn` counts it from here.

    Warns:
        DeprecationWarning: for the name of an earlier version.
    """
    if setting not in RENAMED:
        return setting
    warnings.warn(
        f"The setting {setting} is called {RENAMED[setting]} now; the old name goes "
        "with the next version",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
    return RENAMED[setting]


@dataclass(frozen=True)
class Recipe:
    """What a run trains, on which data, and how.

    Attributes:
        dataset: a name in `keras_vit.data`, or a folder; empty where the
            recipe's own is not public and one has to be named.
        dataset_options: how `keras_vit.data.load` reads it, by argument, such
            as `{"group": "patient"}`.
        model: a factory's name, one of Keras's networks such as
            `"keras:EfficientNetV2B0"`, or the path of a saved model; `None` where a
            model was passed to `train`.
        model_arguments: of that factory, besides classes and image size.
        stem_blocks: for a hybrid of size `"ViT"`, the stages of its ResNet.
        stem_width_factor: of that ResNet.
        weights: initial weights, as a factory takes them; random by default.
        teacher: for distillation or pseudo labels, the path of a saved model.
        head_bias: the head's first bias; -10 makes every class rare at first.
        patch_size: the side of a patch, instead of the model's own; published
            weights are resized to it. 0: the model's own.
        position_embedding: of a ViT, as its factory takes it, instead of the
            one in `model_arguments`. Empty: that one.
        position_embedding_at: of a ViT, as its factory takes it, instead of the
            one in `model_arguments`. Empty: that one.
        patch_dropout_rate: the fraction of the patches that training drops from
            each image; 0: the one in `model_arguments`.
        image_size: the side of an image, in pixels.
        train_split: the split to train on, such as `"train[:98%]"`.
        eval_split: the split to evaluate on, during the run and at its end.
        evaluation_preprocessing: how images become the model's size in
            evaluation, as `keras_vit.preprocessing` names it, such as
            `"timm:0.9"`; the model keeps it. Empty: the model's own.
        epochs: passes over the training split.
        steps: instead of epochs, if above 0.
        batch_size: images in a step, on all devices together.
        accumulation_steps: parts of a batch that a device computes one after
            the other, whose gradients are summed; saves memory.
        evaluate_every: steps between evaluations; 0: an epoch.
        checkpoint_every: steps between checkpoints; 0: at each evaluation.
        optimizer: `"sgd"` with momentum, or `"adam"`; weight decay is
            decoupled from either, as in AdamW.
        momentum: of either; Adam's beta_1.
        beta2: of Adam.
        momentum_dtype: the dtype in which the momentum is stored.
        base_lr: the learning rate at the end of the warm-up.
        decay: of the learning rate after the warm-up.
        warmup_steps: steps in which the learning rate grows linearly from 0.
        cooldown_steps: the last steps, in which it falls linearly to 0.
        weight_decay: of kernels; not of biases, norms, class token and
            positions.
        weight_decay_scaling: what multiplies weight decay at each step:
            `"rate"`, the learning rate, as in AdamW; or `"schedule"`, the
            learning rate divided by base_lr, as in big_vision.
        layer_decay: the learning rate's factor from a block to the one below.
        lr_multipliers: factors of the learning rate of some weights, by pattern
            of their paths: `{"head/*": 10}`.
        freeze: patterns of the names of layers that are not trained in this run.
        lora_rank: the rank of the low-rank kernels that are trained beside the
            frozen kernels of blocks, together with the head (LoRA,
            arXiv:2106.09685); they are merged at the end. 0: no LoRA.
        lora_alpha: LoRA's factor, which is divided by the rank; 0: the rank.
        lora_targets: the kernels that LoRA adapts: some of `query`, `key`,
            `value`, `out`, `fc1`, `fc2`.
        clip_norm: the largest norm of the whole gradient; infinite: any.
        ema: the decay of the weights' exponential moving average, which is then
            evaluated and saved; 0: no average.
        loss: `"softmax"`, or `"sigmoid"` for multi-label images.
        label_smoothing: the fraction of a target that is spread over all classes.
        distillation: from a teacher, by its probabilities (`"soft"`), or its
            predicted class (`"hard"`).
        temperature: of soft distillation.
        distillation_alpha: the weight of distillation in the loss; labels have
            the rest.
        unlabelled_split: images whose labels are ignored, such as
            `"train[25%:]"`; a teacher labels them.
        pseudo_labels: the teacher's labels of those images: its probabilities
            (`"soft"`) or its predicted class (`"hard"`), computed once, without
            augmentation (Noisy Student training, arXiv:1911.04252).
        min_confidence: the probability that the teacher's predicted class must
            exceed for an unlabelled image to be used.
        pseudo_per_class: unlabelled images of each class: the most confident
            ones, or some more than once; 0: their number divided by the classes.
        masked_patches: pre-trains without labels by masked patch prediction
            (appendix B.1.2 of the ViT paper): of a corrupted patch its
            `"mean_color"`, its `"colors_4x4"` or its `"pixels"` are predicted.
            `"none"`: the model is trained on labels.
        precision: `"mixed_bfloat16"` computes in bfloat16.
        remat: whether blocks are computed again in the backward pass, which
            saves memory and costs time.
        crop: `"inception"`, `"pad"` or `"none"`.
        crop_area: the smallest fraction of the image that `"inception"` keeps.
        crop_padding: pixels by which `"pad"` may move the image.
        flip: whether images are mirrored at random.
        randaugment_layers: operations of RandAugment on each image.
        randaugment_magnitude: their strength, 10 being usual.
        random_erasing: the probability that a rectangle of an image becomes noise.
        mixup: alpha of MixUp's Beta(alpha, alpha) distribution; 0: no MixUp.
        cutmix: alpha of CutMix's Beta(alpha, alpha) distribution; with mixup,
            each batch has one of the two.
        repeats: how often an image is in its batch, augmented anew each time.
        max_unreadable_fraction: the fraction of the training images that may be
            unreadable; other images replace them. Above it the run stops.
    """

    dataset: str
    model: str | None
    dataset_options: dict[str, Any] = field(default_factory=dict)
    model_arguments: dict[str, Any] = field(default_factory=dict)
    stem_blocks: tuple[int, ...] | None = None
    stem_width_factor: float = 1.0
    weights: str | None = None
    teacher: str | None = None
    head_bias: float = 0.0
    patch_size: int = 0
    position_embedding: str = ""
    position_embedding_at: str = ""
    patch_dropout_rate: float = 0.0
    image_size: int = 224
    train_split: str = "train"
    eval_split: str = "test"
    evaluation_preprocessing: str = ""
    epochs: int = 10
    steps: int = 0
    batch_size: int = 100
    accumulation_steps: int = 1
    evaluate_every: int = 0
    checkpoint_every: int = 0
    optimizer: OptimizerName = "adam"
    momentum: float = 0.9
    beta2: float = 0.999
    momentum_dtype: MomentumDtype = "float32"
    base_lr: float = 1e-3
    decay: Decay = "cosine"
    warmup_steps: int = 60
    cooldown_steps: int = 0
    weight_decay: float = 0.05
    weight_decay_scaling: WeightDecayScaling = "rate"
    layer_decay: float = 1.0
    lr_multipliers: dict[str, float] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    lora_rank: int = 0
    lora_alpha: float = 0.0
    lora_targets: tuple[str, ...] = ("query", "value")
    clip_norm: float = 1.0
    ema: float = 0.0
    loss: Loss = "softmax"
    label_smoothing: float = 0.0
    distillation: FromTeacher = "none"
    temperature: float = 1.0
    distillation_alpha: float = 0.5
    unlabelled_split: str = ""
    pseudo_labels: FromTeacher = "none"
    min_confidence: float = 0.3
    pseudo_per_class: int = 0
    masked_patches: MaskedPatches = "none"
    precision: Precision = "float32"
    remat: bool = False
    crop: Crop = "none"
    crop_area: float = 0.05
    crop_padding: int = 0
    flip: bool = False
    randaugment_layers: int = 0
    randaugment_magnitude: float = 10.0
    random_erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    repeats: int = 1
    max_unreadable_fraction: float = 0.01

    def __post_init__(self) -> None:
        self._check_types()
        for names, holds, expected in _BOUNDS:
            for name in names:
                value = getattr(self, name)
                if not holds(value):
                    raise ValueError(
                        f"{name} must {expected}. Received: {name}={value}"
                    )
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}. "
                    f"Received: {name}={getattr(self, name)!r}"
                )
        if self.evaluation_preprocessing:
            resolve(self.evaluation_preprocessing)
        if self.crop_padding and self.crop != "pad":
            raise ValueError(
                "crop_padding goes with crop=pad. "
                f"Received: crop={self.crop}, crop_padding={self.crop_padding}"
            )
        clash = [name for name in _OF_LABELS if getattr(self, name) not in (0, "none")]
        if self.masked_patches != "none" and clash:
            raise ValueError(
                f"masked_patches does without labels, so without {', '.join(clash)}. "
                f"Received: masked_patches={self.masked_patches}"
            )
        if self.lora_alpha and not self.lora_rank:
            raise ValueError(
                "lora_alpha goes with lora_rank. "
                f"Received: lora_alpha={self.lora_alpha}, lora_rank=0"
            )
        self._check_pseudo_labels()
        if not all(0 <= factor < math.inf for factor in self.lr_multipliers.values()):
            raise ValueError(
                "lr_multipliers must not be negative. "
                f"Received: lr_multipliers={self.lr_multipliers}"
            )
        # As JSON gives them.
        for name in ("stem_blocks", "freeze", "lora_targets"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    if not TYPE_CHECKING:  # a checker knows the new names alone

        def __getattr__(self, name):
            """Return the setting that had this name in an earlier version."""
            if name not in RENAMED:
                raise AttributeError(f"Recipe has no setting {name!r}")
            return getattr(self, new_name(name, stacklevel=3))

    def _check_types(self) -> None:
        """Refuse numbers that are none; a whole number may have come as 2.0."""
        for one in fields(self):
            if one.type not in _NUMBERS:
                continue
            value, (kind, expected) = getattr(self, one.name), _NUMBERS[one.type]
            if (
                not isinstance(value, Real)
                or isinstance(value, bool)
                or (kind is int and float(value) % 1)
            ):
                raise TypeError(
                    f"{one.name} must be {expected}. Received: {one.name}={value!r}"
                )
            object.__setattr__(self, one.name, kind(float(value)))

    def _check_pseudo_labels(self) -> None:
        """Refuse what does not go with learning from a teacher's labels."""
        if (self.pseudo_labels == "none") != (not self.unlabelled_split):
            raise ValueError(
                "pseudo_labels=soft or hard goes with an unlabelled_split, and that "
                f"with it. Received: pseudo_labels={self.pseudo_labels}, "
                f"unlabelled_split={self.unlabelled_split!r}"
            )
        if self.pseudo_labels == "none":
            return
        if self.distillation != "none":
            raise ValueError(
                "A teacher is there for pseudo_labels or for distillation. Received: "
                f"pseudo_labels={self.pseudo_labels}, distillation={self.distillation}"
            )
        if self.loss != "softmax":
            raise ValueError(
                "pseudo_labels tell one class an image, so they go with loss=softmax. "
                f"Received: loss={self.loss}"
            )

    def total_steps(self, training_images: int) -> int:
        """Return the steps of a run on so many images."""
        return self.steps or self.epochs * (training_images // self.batch_size)

    def evaluation_interval(self, training_images: int) -> int:
        """Return the steps from one evaluation to the next."""
        steps = self.evaluate_every or training_images // self.batch_size
        return min(steps, self.total_steps(training_images))


def _accepting_old_names(init):
    @functools.wraps(init)
    def accepting(self, *args, **settings):
        init(self, *args, **with_new_names(settings, RENAMED, "Recipe", stacklevel=3))

    return accepting


Recipe.__init__ = _accepting_old_names(Recipe.__init__)

_NUMBERS: dict[Any, tuple[Any, str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
}
_BOUNDS = (
    (
        ("image_size", "epochs", "batch_size", "accumulation_steps", "repeats"),
        lambda value: value >= 1,
        "be at least 1",
    ),
    (
        (
            *("base_lr", "warmup_steps", "cooldown_steps", "weight_decay", "steps"),
            *("crop_padding", "evaluate_every", "checkpoint_every", "mixup", "cutmix"),
            *("randaugment_layers", "randaugment_magnitude", "patch_size"),
            *("lora_rank", "lora_alpha", "pseudo_per_class"),
        ),
        lambda value: 0 <= value < math.inf,
        "not be negative",
    ),
    (
        ("clip_norm", "temperature", "stem_width_factor"),
        lambda value: value > 0,
        "be above 0",
    ),
    (
        ("random_erasing", "max_unreadable_fraction", "min_confidence"),
        lambda value: 0 <= value <= 1,
        "lie in [0, 1]",
    ),
    (
        ("label_smoothing", "ema", "momentum", "beta2", "patch_dropout_rate"),
        lambda value: 0 <= value < 1,
        "lie in [0, 1)",
    ),
    (
        ("layer_decay", "distillation_alpha", "crop_area"),
        lambda value: 0 < value <= 1,
        "lie in (0, 1]",
    ),
)


# What says nothing where no labels are learnt, or mixes them.
_OF_LABELS = (
    *("label_smoothing", "distillation", "pseudo_labels", "head_bias"),
    *("mixup", "cutmix"),
    "lora_rank",  # of which the head that is learnt beside it is a part
)
