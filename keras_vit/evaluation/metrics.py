"""Whole-set metrics."""

from dataclasses import dataclass

import numpy as np

MOST_CONFUSED = 4096  # classes, beyond which no confusion matrix is kept


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on a split.

    Attributes:
        count: the images, all of the split's.
        loss: the mean cross-entropy, in nats.
        top1: the share of images whose class has the largest logit.
        top5: the share of images whose class is among the five largest.
        confusion: `(K, K)` counts; a row is a true class, a column an answer.
            `None` for more than `MOST_CONFUSED` classes.
    """

    count: int
    loss: float
    top1: float
    top5: float
    confusion: np.ndarray | None


class Tally:
    """Sums over the images seen so far, of which an `Evaluation` is made.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes):
        self.num_classes = num_classes
        self.sums = np.zeros(4)  # images, loss, top-1, top-5
        few = num_classes <= MOST_CONFUSED
        self.confusion = np.zeros((num_classes, num_classes)) if few else None

    def add(self, logits, labels):
        """Counts some images: logits `(B, K)` and labels `(B,)`.

        Raises:
            FloatingPointError: if a logit is not finite.
        """
        logits = np.asarray(logits, np.float64)
        if not np.isfinite(logits).all():
            raise FloatingPointError("The model gives logits that are not finite.")
        of_label = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)
        loss = _log_sum_exp(logits) - of_label[:, 0]
        # A tie goes to the class with the smaller number, as in argmax.
        ahead = (logits > of_label).sum(1)
        smaller = np.arange(self.num_classes) < labels[:, np.newaxis]
        ahead += ((logits == of_label) & smaller).sum(1)
        self.sums += len(labels), loss.sum(), (ahead < 1).sum(), (ahead < 5).sum()
        if self.confusion is not None:
            np.add.at(self.confusion, (labels, logits.argmax(1)), 1)

    def result(self):
        """The `Evaluation` of what has been seen."""
        count, loss, top1, top5 = self.sums
        confusion = self.confusion
        return Evaluation(
            count=int(count),
            loss=float(loss / count),
            top1=float(top1 / count),
            top5=float(top5 / count),
            confusion=None if confusion is None else confusion.astype(np.int64),
        )


def evaluate(model, split, batch_size=200):
    """Evaluates a classifier on a whole split, its last partial batch included.

    Args:
        model: a Keras model that gives logits of K classes.
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`,
            with labels below K.
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
    from keras_vit.data.dataset import Split
    from keras_vit.data.pipeline import evaluation_batches

    if isinstance(split, tuple):
        split = Split(*split)
    height, width = model.input_shape[1:3]
    num_classes = model.output_shape[-1]
    wrong = split.labels[(split.labels < 0) | (split.labels >= num_classes)]
    if len(wrong):
        raise ValueError(
            f"The model has {num_classes} classes. Received: a label of {wrong[0]}"
        )
    tally = Tally(num_classes)
    for images, labels, weights in evaluation_batches(
        split, batch_size, (height, width)
    ):
        real = weights > 0
        tally.add(np.asarray(model.predict_on_batch(images))[real], labels[real])
    return tally.result()


def _log_sum_exp(logits):
    largest = logits.max(1)
    return largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(1))
