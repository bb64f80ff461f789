"""Learning from labels: images and targets -> losses, correct predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import tensorflow as tf

from keras_vit.data.classes import check_several
from keras_vit.meaning import meaning_of
from keras_vit.training.class_weights import check_class_weights, class_weights
from keras_vit.training.keras_losses import (
    PerExample,
    activation_of,
    name_of,
    per_example,
)
from keras_vit.training.losses import LOSSES, weighted
from keras_vit.training.tasks.evaluators import ClassificationEvaluator
from keras_vit.training.tasks.task import Activation, Objective, Task, TaskContext

if TYPE_CHECKING:
    import keras

    from keras_vit.data import Dataset
    from keras_vit.data.labelled import Labelled

AnyLoss: TypeAlias = "Activation | keras.losses.Loss | PerExample"


class Classification(Task):
    """Learns the labels of the training split.

    Args:
        loss: a key of `LOSSES`, a `keras.losses.Loss` of logits, or a function of
            targets and logits, `(B, K)` each, that returns the losses `(B,)`.
            Evaluations report the loss of its activation, so that runs compare.
        label_smoothing: the share of a target spread over all classes, in [0, 1).
        class_weights: factors of the loss of each class's images: `"balanced"`, or
            numbers by the names of classes; see `class_weights`. Evaluations do
            without them.
        activation: what makes probabilities of the logits, `"softmax"` or
            `"sigmoid"`, which multi-label images need. By default that of the word;
            `"sigmoid"` of a binary loss of Keras's and `"softmax"` of all others.

    Raises:
        ValueError: for another activation, or one that is not that of the word.

    Example:

    >>> def margins(targets, logits):
    ...     return tf.reduce_sum(tf.nn.relu(1 - (2 * targets - 1) * logits), axis=-1)
    >>> Classification(margins, activation="sigmoid").activation
    'sigmoid'
    """

    learns_labels = True

    def __init__(
        self,
        loss: AnyLoss = "softmax",
        label_smoothing: float = 0.0,
        *,
        class_weights: str | Mapping[str, float] | None = None,
        activation: Activation | None = None,
    ) -> None:
        if class_weights is not None:
            check_class_weights(class_weights)
        _check_activation(activation, loss)
        self.class_weights, self._weights = class_weights, None
        self.loss: AnyLoss = loss
        self.activation = activation or activation_of(loss)
        self.label_smoothing = label_smoothing

    def check(self, dataset: Dataset) -> None:
        check_several(dataset)

    def examples(
        self, split: Labelled, dataset: Dataset, context: TaskContext
    ) -> Labelled:
        _check_several_classes(split, self.activation, self.loss)
        if self.class_weights is not None:
            self._weights = class_weights(
                self.class_weights, split, dataset.class_names
            )
        return split

    def objective(self, trained: keras.Model) -> Objective:
        return supervised(
            trained, self.loss, self.label_smoothing, class_weights=self._weights
        )

    def evaluator(
        self, trained: keras.Model, model: keras.Model, seed: int
    ) -> ClassificationEvaluator:
        preprocessing = meaning_of(model).preprocessing
        activation = cast("Activation", self.activation)  # never None
        return ClassificationEvaluator(model, activation, preprocessing)

    def loss_conditions(self) -> tuple[str, ...]:
        found = {
            "loss of the run": not isinstance(self.loss, str),
            "smoothed labels": self.label_smoothing > 0,
            "class weights": self.class_weights is not None,
        }
        return tuple(name for name, applies in found.items() if applies)

    def get_config(self) -> dict[str, Any]:
        return {
            "loss": self.loss,
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
            "activation": self.activation,
        }


def supervised(
    model: keras.Model,
    loss: AnyLoss = "softmax",
    label_smoothing: float = 0.0,
    *,
    class_weights: Any = None,
) -> Objective:
    """Return the objective of learning from labels.

    Args:
        model: returns logits of K classes.
        loss: as `Classification` takes it.
        label_smoothing: the share of a target spread over all classes.
        class_weights: factors of the loss, `(K,)`, by the class of an image. An image
            that mixes classes has the mean of theirs, by its shares of them.

    Returns:
        A function of images `(B, H, W, 3)` and targets `(B, K)` that runs the
        model in training mode and returns losses `(B,)` and which predictions are
        correct: 1 or 0, `(B,)`. Any of the classes of a multi-label image is a
        correct prediction.

    Raises:
        TypeError, ValueError: for what is no loss of single images' logits.
    """
    shape: Any = model.output_shape
    of_image = LOSSES[loss] if isinstance(loss, str) else per_example(loss, shape[-1])

    def objective(images, targets, training=True):
        logits = tf.cast(model(images, training=training), "float32")
        losses = labelled(of_image, logits, targets, label_smoothing)
        if class_weights is not None:
            losses = weighted(losses, targets, class_weights)
        return losses, correct(logits, targets)

    return objective


def correct(logits: Any, targets: Any) -> Any:
    """Return which predictions are one of the classes of their image, `(B,)`."""
    shown = tf.gather(targets, tf.argmax(logits, axis=-1), batch_dims=1)
    return tf.cast(shown == tf.reduce_max(targets, axis=-1), "float32")


def labelled(
    loss: PerExample, logits: Any, targets: Any, label_smoothing: float
) -> Any:
    """Return the loss of each image by its smoothed targets, `(B,)`."""
    smooth = (1 - label_smoothing) * targets + label_smoothing / targets.shape[-1]
    return loss(logits, smooth)


def _check_activation(activation: Activation | None, loss: AnyLoss) -> None:
    """Refuse what is no activation, or is not that of a word as loss.

    Raises:
        ValueError: saying which are.
    """
    if activation is not None and activation not in LOSSES:
        raise ValueError(
            f"activation must be one of {', '.join(LOSSES)}, or None: that of the loss."
            f" Received: activation={activation!r}"
        )
    if isinstance(loss, str) and activation not in (None, loss):
        raise ValueError(
            f"activation must be that of the loss. Received: loss={loss!r}, "
            f"activation={activation!r}. Leave out activation, or pass an object as "
            "loss"
        )


def _check_several_classes(
    split: Labelled, activation: Activation | None, loss: AnyLoss
) -> None:
    """Refuse softmax where images have several classes.

    Raises:
        ValueError: saying what to pass.
    """
    if activation != "softmax" or not split.several:
        return
    if (split.labels.sum(1) == 1).all():
        return
    images = "Multi-label images, of several classes or of none, need"
    if isinstance(loss, str):
        raise ValueError(
            f"{images} a loss for each class: --set loss=sigmoid. Received: "
            "loss=softmax"
        )
    raise ValueError(
        f"{images} a probability of each class. Received: loss={name_of(loss)}, whose "
        "logits become probabilities by softmax. If it is a loss for each class, pass "
        'task=Classification(loss, activation="sigmoid")'
    )
