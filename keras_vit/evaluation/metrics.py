"""Whole-set metrics."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on a split.

    Attributes:
        count: the images, all of the split's.
        loss: the mean cross-entropy, in nats.
        top1: the share of images whose class has the largest logit.
        top5: the share of images whose class is among the five largest.
        confusion: `(K, K)` counts; a row is a true class, a column an answer.
    """

    count: int
    loss: float
    top1: float
    top5: float
    confusion: np.ndarray


def evaluate(model, split, batch_size=200):
    """Evaluates a classifier on a whole split, its last partial batch included.

    Args:
        model: a Keras model that gives logits of K classes.
        split: a `keras_vit.data.Split`, or `(images, labels)`, with labels
            below K.
        batch_size: images at a time. It does not change the result.

    Returns:
        An `Evaluation`.

    Raises:
        ValueError: if a label is not one of the model's classes.
        FloatingPointError: if a logit is not finite.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> evaluate(model, data.load("fashion_mnist_sample").test).count
    2000
    """
    from keras_vit.data.pipeline import evaluation_batches
    from keras_vit.data.sources import Split

    if not isinstance(split, Split):
        split = Split(*split)
    height, width = model.input_shape[1:3]
    num_classes = model.output_shape[-1]
    wrong = split.labels[(split.labels < 0) | (split.labels >= num_classes)]
    if len(wrong):
        raise ValueError(
            f"The model has {num_classes} classes. Received: a label of {wrong[0]}"
        )
    loss, top1, top5 = 0.0, 0, 0
    confusion = np.zeros((num_classes, num_classes), np.int64)
    for images, labels, weights in evaluation_batches(
        split, batch_size, (height, width)
    ):
        real = weights > 0
        logits = model.predict_on_batch(images)[real].astype(np.float64)
        labels = labels[real]
        if not np.isfinite(logits).all():
            raise FloatingPointError("The model gives logits that are not finite.")
        of_label = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)
        loss += (_log_sum_exp(logits) - of_label[:, 0]).sum()
        # A tie goes to the class with the smaller number, as in argmax.
        ahead = (logits > of_label).sum(1)
        ahead += (
            (logits == of_label) & (np.arange(num_classes) < labels[:, None])
        ).sum(1)
        top1 += int((ahead < 1).sum())
        top5 += int((ahead < 5).sum())
        np.add.at(confusion, (labels, logits.argmax(1)), 1)
    count = len(split)
    return Evaluation(count, float(loss / count), top1 / count, top5 / count, confusion)


def _log_sum_exp(logits):
    largest = logits.max(1)
    return largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(1))
