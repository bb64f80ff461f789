"""What a run may learn: a class of settings for each task."""

from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, TypeAlias

from keras_vit.recipes.checked import (
    ABOVE_ZERO,
    BELOW_ONE,
    POSITIVE_SHARE,
    SHARE,
    ZERO_IS_OFF,
    Settings,
)

TaskName: TypeAlias = Literal[
    "classification", "distillation", "pseudo_labels", "masked_patches"
]
Loss: TypeAlias = Literal["softmax", "sigmoid"]
ClassWeights: TypeAlias = Literal["balanced"] | dict[str, float]
FromTeacher: TypeAlias = Literal["soft", "hard"]
MaskedPatches: TypeAlias = Literal["mean_color", "colors_4x4", "pixels"]


@dataclass(frozen=True)
class LabelSettings(Settings):
    """What tasks with labels have in common.

    Attributes:
        loss: `"softmax"`, or `"sigmoid"` for multi-label images.
        label_smoothing: the fraction of a target that is spread over all classes.
    """

    loss: Loss = "softmax"
    label_smoothing: float = field(default=0.0, metadata=BELOW_ONE)


@dataclass(frozen=True)
class ClassificationSettings(LabelSettings):
    """Learning from labels alone.

    Attributes:
        class_weights: factors of the loss of each class's images: `"balanced"`, in
            inverse proportion to their number, or numbers by the names of classes,
            such as `{"cat": 2}`; others have 1.
    """

    class_weights: ClassWeights | None = None


@dataclass(frozen=True)
class DistillationSettings(LabelSettings):
    """Learning from labels and, at each step, from a teacher.

    Attributes:
        teacher: the path of a saved model.
        distillation: from the teacher, by its probabilities (`"soft"`), or its
            predicted class (`"hard"`).
        temperature: of soft distillation.
        distillation_alpha: the weight of distillation in the loss; labels have
            the rest.
    """

    teacher: str | None = None
    distillation: FromTeacher = "soft"
    temperature: float = field(default=1.0, metadata=ABOVE_ZERO)
    distillation_alpha: float = field(default=0.5, metadata=POSITIVE_SHARE)


@dataclass(frozen=True)
class PseudoLabelSettings(LabelSettings):
    """Learning from labels and from what a teacher says of images without.

    Attributes:
        teacher: the path of a saved model.
        unlabelled_split: images whose labels are ignored, such as
            `"train[25%:]"`; a teacher labels them.
        pseudo_labels: the teacher's labels of those images: its probabilities
            (`"soft"`) or its predicted class (`"hard"`), computed once, without
            augmentation (Noisy Student training, arXiv:1911.04252).
        min_confidence: the probability that the teacher's predicted class must
            exceed for an unlabelled image to be used.
        pseudo_per_class: unlabelled images of each class: the most confident
            ones, or some more than once; by default their number divided by the
            classes.
    """

    teacher: str | None = None
    unlabelled_split: str | None = None
    pseudo_labels: FromTeacher = "soft"
    min_confidence: float = field(default=0.3, metadata=SHARE)
    pseudo_per_class: int | None = field(default=None, metadata=ZERO_IS_OFF)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unlabelled_split is None:
            raise ValueError(
                "pseudo_labels=soft or hard goes with an unlabelled_split, and that "
                f"with it. Received: pseudo_labels={self.pseudo_labels}, "
                "unlabelled_split=none"
            )
        if self.loss != "softmax":
            raise ValueError(
                "pseudo_labels tell one class an image, so they go with loss=softmax. "
                f"Received: loss={self.loss}"
            )


@dataclass(frozen=True)
class MaskedPatchSettings(Settings):
    """Pre-training without labels.

    Attributes:
        masked_patches: masked patch prediction (appendix B.1.2 of the ViT paper):
            of a corrupted patch its `"mean_color"`, its `"colors_4x4"` or its
            `"pixels"` are predicted.
    """

    learns_labels: ClassVar[bool] = False
    masked_patches: MaskedPatches = "mean_color"


TaskSettings: TypeAlias = (
    ClassificationSettings
    | DistillationSettings
    | PseudoLabelSettings
    | MaskedPatchSettings
)
# By name. A task but the first is chosen too by setting the word of its own name.
TASKS: dict[str, type[TaskSettings]] = {
    "classification": ClassificationSettings,
    "distillation": DistillationSettings,
    "pseudo_labels": PseudoLabelSettings,
    "masked_patches": MaskedPatchSettings,
}


def name_of(task: TaskSettings) -> str:
    """Return the name of a task's settings."""
    return next(name for name, kind in TASKS.items() if kind is type(task))


def fields_of_tasks() -> dict[str, list[str]]:
    """Return the tasks that have each setting: `{setting: [name of a task, ...]}`."""
    found: dict[str, list[str]] = {}
    for name, kind in TASKS.items():
        for one in fields(kind):
            found.setdefault(one.name, []).append(name)
    return found
