"""What a step minimises: images and targets -> losses, correct predictions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import tensorflow as tf

from keras_vit.training.losses import LOSSES, hard_distillation, soft_distillation

if TYPE_CHECKING:
    from keras_vit.training.masked_patches import MaskedPatchPrediction


# Images and targets, or draws -> losses `(B,)`, and which predictions are correct.
Objective: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]

DISTILLATIONS = ("soft", "hard")


def supervised(
    model: keras.Model, loss: str = "softmax", label_smoothing: float = 0.0
) -> Objective:
    """Return the objective of learning from labels.

    Args:
        model: returns logits of K classes.
        loss: a key of `LOSSES`.
        label_smoothing: the share of a target spread over all classes.

    Returns:
        A function of images `(B, H, W, 3)` and targets `(B, K)` that runs the
        model in training mode and returns losses `(B,)` and which predictions are
        correct: 1 or 0, `(B,)`. Any of the classes of a multi-label image is a
        correct prediction.
    """

    def objective(images, targets):
        logits = tf.cast(model(images, training=True), "float32")
        losses = _labelled(loss, logits, targets, label_smoothing)
        return losses, _correct(logits, targets)

    return objective


def distilled(
    model: keras.Model,
    teacher: keras.Model,
    kind: str = "soft",
    temperature: float = 1.0,
    share: float = 0.5,
    loss: str = "softmax",
    label_smoothing: float = 0.0,
) -> Objective:
    """Return the objective of learning from a teacher, and from labels.

    The teacher sees what the student sees, mixed and cropped alike, as
    arXiv:2106.05237 finds best, resized to its own input. A student with a
    distillation token (`ViT(distillation=True)`) learns from the teacher by
    that token's head and from the labels by the other's (arXiv:2012.12877).

    Args:
        model: the student, of K classes.
        teacher: any Keras model from pixels to K logits.
        kind: `"soft"`, the Kullback-Leibler divergence at a temperature, or
            `"hard"`, cross-entropy with the teacher's class.
        temperature: of `"soft"`.
        share: of the distillation in the loss; the rest is that of the labels.
        loss, label_smoothing: as in `supervised`.

    Returns:
        An objective, as `supervised` returns it.

    Raises:
        ValueError: if student and teacher do not fit each other.
    """
    if model.output_shape != teacher.output_shape:
        raise ValueError(
            "Student and teacher must have the same classes. Received: "
            f"{model.output_shape} and {teacher.output_shape}"
        )
    if kind not in DISTILLATIONS:
        raise ValueError(
            f"distillation must be one of {', '.join(DISTILLATIONS)}. "
            f"Received: {kind!r}"
        )
    students = _two_heads(model)

    def objective(images, targets):
        of_labels, of_teacher = (
            tf.cast(logits, "float32") for logits in students(images, training=True)
        )
        outputs = teacher(_resized(images, teacher.input_shape), training=False)
        outputs = tf.stop_gradient(tf.cast(outputs, "float32"))
        if kind == "soft":
            losses = soft_distillation(of_teacher, outputs, temperature)
        else:
            losses = hard_distillation(of_teacher, outputs)
        labelled = _labelled(loss, of_labels, targets, label_smoothing)
        correct = _correct((of_labels + of_teacher) / 2, targets)
        return share * losses + (1 - share) * labelled, correct

    return objective


def masked(model: MaskedPatchPrediction) -> Objective:
    """Return the objective of masked patch prediction.

    Args:
        model: a `MaskedPatchPrediction`.

    Returns:
        An objective as `supervised` returns it, of images and, instead of
        targets, each image's draws; correct is the share of an image's corrupted
        patches that are predicted correctly.
    """
    return functools.partial(model.loss_and_accuracy, training=True)


def _correct(logits: Any, targets: Any) -> Any:
    shown = tf.gather(targets, tf.argmax(logits, axis=-1), batch_dims=1)
    return tf.cast(shown == tf.reduce_max(targets, axis=-1), "float32")


def _labelled(loss: str, logits: Any, targets: Any, label_smoothing: float) -> Any:
    smooth = (1 - label_smoothing) * targets + label_smoothing / targets.shape[-1]
    return LOSSES[loss](logits, smooth)


def _two_heads(model: keras.Model) -> keras.Model:
    """Return the model with the logits for labels and those for the teacher."""
    names = {layer.name for layer in model.layers}
    heads = ("head", "head_distillation")
    if not names.issuperset(heads):
        return keras.Model(model.inputs, 2 * model.outputs)
    outputs = [model.get_layer(name).output for name in heads]
    return keras.Model(model.inputs, outputs)


def _resized(images: Any, shape: Sequence[int | None]) -> Any:
    if None in shape[1:3] or tuple(images.shape[1:3]) == tuple(shape[1:3]):
        return images
    return tf.image.resize(images, shape[1:3], method="bilinear")
