"""What a recipe is."""

import functools
import math
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

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
CHOICES = {
    "optimizer": ("sgd", "adam"),
    "momentum_dtype": ("float32", "bfloat16"),
    "decay": ("cosine", "linear", "rsqrt", "constant"),
    "weight_decay_scaling": ("rate", "schedule"),
    "loss": ("softmax", "sigmoid"),
    "distillation": ("none", "soft", "hard"),
    "pseudo_labels": ("none", "soft", "hard"),
    "masked_patches": ("none", "mean_color", "colors_4x4", "pixels"),
    "precision": ("float32", "mixed_bfloat16"),
    "crop": ("none", "inception", "pad"),
}


def new_name(setting, *, stacklevel):
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
    """What a run trains, on what, and how.

    Attributes:
        dataset: a name in `keras_vit.data`, or a folder; empty where the
            recipe's own is not public and one has to be named.
        dataset_options: how `keras_vit.data.load` reads it, by argument, such
            as `{"group": "patient"}`.
        model: a factory's name, one of Keras's networks such as
            `"keras:EfficientNetV2B0"`, or the path of a saved model.
        model_arguments: of that factory, besides classes and image size.
        stem_blocks: for a hybrid of size `"ViT"`, the stages of its ResNet.
        stem_width_factor: of that ResNet.
        weights: what the model begins from, as a factory takes it; random
            weights by default.
        teacher: for distillation or pseudo labels, the path of a saved model.
        head_bias: the head's first bias; -10 makes every class rare at first.
        patch_size: the side of a patch, in place of the model's own; weights
            of a model with a name are resized to it. 0: the model's own.
        position_embedding: a ViT's, as its factory takes it, in place of what
            `model_arguments` say. Empty: what they say.
        position_embedding_at: likewise.
        patch_dropout_rate: the share of the patches that training leaves out
            of each image; 0: what `model_arguments` say.
        image_size: the side of an image, in pixels.
        train_split: what is learnt from, such as `"train[:98%]"`.
        eval_split: what is looked at on the way and at the end.
        evaluation_preprocessing: how images become the model's size there, as
            `keras_vit.preprocessing` names it, such as `"timm:0.9"`; the model
            keeps it. Empty: the model's own.
        epochs: passes over the training split.
        steps: in place of epochs, where above 0.
        batch_size: images in a step, on all devices together.
        accumulation_steps: parts of it that a device takes one after the other.
        evaluate_every: steps between evaluations; 0: an epoch.
        checkpoint_every: steps between checkpoints; 0: at each evaluation.
        optimizer: `"sgd"` with momentum, or `"adam"`; weight decay stands
            apart from either, as in AdamW.
        momentum: of either; Adam's beta_1.
        beta2: of Adam.
        momentum_dtype: in which the momentum is kept.
        base_lr: the learning rate at the end of the warm-up.
        decay: of the learning rate after that.
        warmup_steps: in which it grows linearly from 0.
        cooldown_steps: in which it falls linearly to 0 at the end.
        weight_decay: on kernels; not on biases, norms, class token and
            positions.
        weight_decay_scaling: `"rate"`, as in AdamW, or `"schedule"`, the rate
            divided by base_lr, as in big_vision.
        layer_decay: the learning rate's factor from a block to the one below.
        lr_multipliers: of certain weights, by pattern: `{"head/*": 10}`.
        freeze: patterns of the names of layers that stay as they are, in this
            run.
        lora_rank: the rank of what is learnt beside the frozen kernels of
            blocks, together with the head (LoRA, arXiv:2106.09685); the run
            leaves a plain model with the sum of both. 0: kernels are learnt.
        lora_alpha: its factor, which is divided by the rank; 0: the rank.
        lora_targets: of which kernels: some of `query`, `key`, `value`,
            `out`, `fc1`, `fc2`.
        clip_norm: the largest norm of the whole gradient; infinite: any.
        ema: the share of the old that stays in the weights' moving average at
            each step, and evaluates and saves that average; 0: no average.
        loss: `"softmax"`, or `"sigmoid"` for each class by itself.
        label_smoothing: the share of a target that is spread over all classes.
        distillation: from a teacher, by its probabilities (`"soft"`), or its
            answers (`"hard"`).
        temperature: of soft distillation.
        distillation_alpha: of the loss; the rest is that of the labels.
        unlabelled_split: images whose labels are not looked at, such as
            `"train[25%:]"`; a teacher says what they show.
        pseudo_labels: of those images, the teacher's probabilities (`"soft"`)
            or its answers (`"hard"`), made once, of images that are not
            changed (Noisy Student training, arXiv:1911.04252).
        min_confidence: what the likeliest class of such an image has to be
            above.
        pseudo_per_class: such images of each class, the surest ones, or some
            more than once; 0: as many as there are images for a class.
        masked_patches: pre-trains without labels by masked patch prediction
            (appendix B.1.2 of the ViT paper): of a corrupted patch its
            `"mean_color"`, its `"colors_4x4"` or its `"pixels"` are told.
            `"none"`: labels are learnt.
        precision: `"mixed_bfloat16"` computes in bfloat16.
        remat: whether blocks are computed again in the backward pass, which
            saves memory and costs time.
        crop: `"inception"`, `"pad"` or `"none"`.
        crop_area: the least share of the image that `"inception"` leaves.
        crop_padding: pixels by which `"pad"` may move the image.
        flip: whether images are mirrored at random.
        randaugment_layers: operations of RandAugment on each image.
        randaugment_magnitude: their strength, 10 being usual.
        random_erasing: the chance that a rectangle of an image becomes noise.
        mixup: p of the Beta(p, p) that images are mixed by.
        cutmix: p of the Beta(p, p) of the area that an image has of another;
            with mixup, each batch has one of them.
        repeats: how often an image is in its batch, each time changed anew.
        max_unreadable_fraction: the share of the training images that may turn out to
            be unreadable; others stand in for them. Above it the run ends.
    """

    dataset: str
    model: str
    dataset_options: dict = field(default_factory=dict)
    model_arguments: dict = field(default_factory=dict)
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
    optimizer: str = "adam"
    momentum: float = 0.9
    beta2: float = 0.999
    momentum_dtype: str = "float32"
    base_lr: float = 1e-3
    decay: str = "cosine"
    warmup_steps: int = 60
    cooldown_steps: int = 0
    weight_decay: float = 0.05
    weight_decay_scaling: str = "rate"
    layer_decay: float = 1.0
    lr_multipliers: dict[str, float] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    lora_rank: int = 0
    lora_alpha: float = 0.0
    lora_targets: tuple[str, ...] = ("query", "value")
    clip_norm: float = 1.0
    ema: float = 0.0
    loss: str = "softmax"
    label_smoothing: float = 0.0
    distillation: str = "none"
    temperature: float = 1.0
    distillation_alpha: float = 0.5
    unlabelled_split: str = ""
    pseudo_labels: str = "none"
    min_confidence: float = 0.3
    pseudo_per_class: int = 0
    masked_patches: str = "none"
    precision: str = "float32"
    remat: bool = False
    crop: str = "none"
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

    def __post_init__(self):
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

    def _check_pseudo_labels(self):
        """Refuses what does not go with learning from a teacher's labels."""
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

    def total_steps(self, training_images):
        """The steps of a run on so many images."""
        return self.steps or self.epochs * (training_images // self.batch_size)

    def evaluation_interval(self, training_images):
        """The steps from one evaluation to the next."""
        steps = self.evaluate_every or training_images // self.batch_size
        return min(steps, self.total_steps(training_images))


def _accepting_old_names(init):
    @functools.wraps(init)
    def accepting(self, *args, **settings):
        init(self, *args, **with_new_names(settings, RENAMED, "Recipe", stacklevel=3))

    return accepting


Recipe.__init__ = _accepting_old_names(Recipe.__init__)

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
