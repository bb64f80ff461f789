"""Learning from a teacher at each step, and from labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import keras
import tensorflow as tf

from keras_vit.served_model import ServedModel
from keras_vit.training.losses import LOSSES, softmax_cross_entropy
from keras_vit.training.tasks.classification import Classification, correct, labelled
from keras_vit.training.tasks.task import Activation, Objective

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier

DISTILLATIONS = ("soft", "hard")


class Distillation(Classification):
    """Learns the labels and what a teacher predicts of the same images.

    Args:
        teacher: a `Classifier` of a Keras model of the same classes.
        kind: `"soft"`, by its probabilities, or `"hard"`, by its predicted class.
        temperature: of `"soft"`.
        alpha: the weight of the teacher in the loss; labels have the rest.
        loss, label_smoothing: as in `Classification`.

    Raises:
        ValueError: for a teacher that no step can call.
    """

    def __init__(
        self,
        teacher: Classifier,
        kind: str = "soft",
        *,
        temperature: float = 1.0,
        alpha: float = 0.5,
        loss: Activation = "softmax",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(loss, label_smoothing)
        if isinstance(teacher.model, ServedModel):
            raise ValueError(
                "The teacher of distillation must be a Keras model, which each step "
                f"calls. Received: {teacher.name!r}, a SavedModel. Pass a run's folder "
                "or a .keras file"
            )
        self.teacher = cast(keras.Model, teacher.model)
        self.kind, self.temperature, self.alpha = kind, temperature, alpha

    def objective(self, trained: keras.Model) -> Objective:
        return distilled(
            trained,
            self.teacher,
            self.kind,
            temperature=self.temperature,
            share=self.alpha,
            loss=cast(Activation, self.loss),  # a word, as it was passed
            label_smoothing=self.label_smoothing,
        )

    def loss_conditions(self) -> tuple[str, ...]:
        return (*super().loss_conditions(), "teacher")

    def get_config(self) -> dict[str, Any]:
        of_teacher = {"kind": self.kind, "temperature": self.temperature}
        return {**super().get_config(), **of_teacher, "alpha": self.alpha}


def distilled(
    model: keras.Model,
    teacher: keras.Model,
    kind: str = "soft",
    *,
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

    def objective(images, targets, training=True):
        of_labels, of_teacher = (
            tf.cast(logits, "float32") for logits in students(images, training=training)
        )
        outputs = teacher(_resized(images, teacher.input_shape), training=False)
        outputs = tf.stop_gradient(tf.cast(outputs, "float32"))
        if kind == "soft":
            losses = soft_distillation(of_teacher, outputs, temperature)
        else:
            losses = hard_distillation(of_teacher, outputs)
        of_labels_loss = labelled(LOSSES[loss], of_labels, targets, label_smoothing)
        right = correct((of_labels + of_teacher) / 2, targets)
        return share * losses + (1 - share) * of_labels_loss, right

    return objective


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


def soft_distillation(
    logits: tf.Tensor, teacher_logits: tf.Tensor, temperature: float
) -> tf.Tensor:
    """Compute `t^2 KL(softmax(teacher / t) || softmax(student / t))`.

    From arXiv:1503.02531.

    The square keeps the gradient's size whatever the temperature. As in the
    reference, probabilities below 1e-8 count as 1e-8 in a logarithm.
    """
    teacher = tf.nn.softmax(teacher_logits / temperature)
    log_ratio = _log(teacher) - _log(tf.nn.softmax(logits / temperature))
    return temperature**2 * tf.reduce_sum(teacher * log_ratio, axis=-1)


def hard_distillation(logits: tf.Tensor, teacher_logits: tf.Tensor) -> tf.Tensor:
    """Compute cross-entropy with the teacher's class as label (arXiv:2012.12877)."""
    classes = tf.one_hot(tf.argmax(teacher_logits, axis=-1), logits.shape[-1])
    return softmax_cross_entropy(logits, classes)


def _log(probabilities: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.maximum(probabilities, 1e-8))
