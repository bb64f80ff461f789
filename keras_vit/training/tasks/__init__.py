"""What a run learns, a task a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_vit import recipes
from keras_vit.training.tasks.classification import Classification as Classification
from keras_vit.training.tasks.distillation import Distillation as Distillation
from keras_vit.training.tasks.masked_patches import MaskedPatches as MaskedPatches
from keras_vit.training.tasks.pseudo_labels import PseudoLabelling as PseudoLabelling
from keras_vit.training.tasks.task import Task as Task
from keras_vit.training.tasks.task import TaskContext as TaskContext

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.recipes import TaskSettings


def task_of(settings: TaskSettings, teacher: Classifier | None = None) -> Task:
    """Build the task of a recipe.

    Args:
        settings: `recipe.task`.
        teacher: that it learns from, if it does.

    Raises:
        ValueError: for a teacher without a use, a use without a teacher, or one that
            does not fit.

    Example:

    >>> task_of(recipes.get("fashion_mnist_masked").task).target
    'mean_color'
    """
    if hasattr(settings, "teacher") == (teacher is None):
        raise ValueError(
            "A teacher needs distillation=soft or hard, or pseudo_labels=soft or hard, "
            "and each of those needs a teacher. Received: "
            f"task={recipes.name_of(settings)}, "
            f"{'no' if teacher is None else 'a'} teacher"
        )
    if isinstance(settings, recipes.MaskedPatchSettings):
        return MaskedPatches(settings.masked_patches)
    if teacher is not None and isinstance(settings, recipes.DistillationSettings):
        return Distillation(
            teacher,
            settings.distillation,
            temperature=settings.temperature,
            alpha=settings.distillation_alpha,
            loss=settings.loss,
            label_smoothing=settings.label_smoothing,
        )
    if teacher is not None and isinstance(settings, recipes.PseudoLabelSettings):
        return PseudoLabelling(
            teacher,
            settings.unlabelled_split or "",
            kind=settings.pseudo_labels,
            min_confidence=settings.min_confidence,
            per_class=settings.pseudo_per_class,
            label_smoothing=settings.label_smoothing,
        )
    weights = getattr(settings, "class_weights", None)
    return Classification(
        settings.loss, settings.label_smoothing, class_weights=weights
    )
