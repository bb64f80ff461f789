"""Whole-set metrics."""

from dataclasses import dataclass

import numpy as np

from keras_vit.preprocessing import carried_by, resolve

MOST_CONFUSED = 4096  # classes, beyond which no confusion matrix is kept


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on a split.

    Attributes:
        count: the images, all of the split's.
        loss: the mean cross-entropy, in nats.
        top1: the share of images whose class, or one of whose classes, has
            the largest logit.
        top5: the share of images with such a class among the five largest.
        confusion: `(K, K)` counts; a row is a true class, a column an answer.
            `None` for images of several classes, or more than
            `MOST_CONFUSED` of them.
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
        loss: `"softmax"` or `"sigmoid"`, as the model was trained.
        several: whether an image can have several classes, its labels being
            zeros and ones.
    """

    def __init__(self, num_classes, loss="softmax", several=False):
        self.num_classes, self.loss, self.several = num_classes, loss, several
        self.sums = np.zeros(4)  # images, loss, top-1, top-5
        self.confusion = None
        if num_classes <= MOST_CONFUSED and not several:
            self.confusion = np.zeros((num_classes, num_classes))

    def add(self, logits, labels):
        """Counts some images: logits `(B, K)`, labels `(B,)` or several `(B, K)`.

        Raises:
            FloatingPointError: if a logit is not finite.
        """
        logits = np.asarray(logits, np.float64)
        if not np.isfinite(logits).all():
            raise FloatingPointError("The model gives logits that are not finite.")
        if self.confusion is not None:
            np.add.at(self.confusion, (labels, logits.argmax(1)), 1)
        if not self.several:
            labels = np.eye(self.num_classes)[labels]
        # A tie goes to the class with the smaller number, as in argmax.
        order = np.argsort(-logits, axis=1, kind="stable")
        right = np.take_along_axis(labels, order, axis=1) > 0
        self.sums += (
            len(labels),
            _LOSSES[self.loss](logits, labels).sum(),
            right[:, 0].sum(),
            right[:, :5].any(1).sum(),
        )

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


def evaluate(model, split, batch_size=200, preprocessing=None):
    """Evaluates a classifier on a whole split, its last partial batch included.

    Args:
        model: a Keras model that gives logits of K classes.
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`,
            with labels below K.
        batch_size: images at a time. It does not change the result.
        preprocessing: how images of other sizes become the model's: a
            `keras_vit.preprocessing.Preprocessing`, or text such as
            `"timm:0.9"`. The model's own by default.

    Returns:
        An `Evaluation`.

    Raises:
        ValueError: if a label is not one of the model's classes, or for
            an unknown preprocessing.
        FloatingPointError: if a logit is not finite.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> evaluate(model, data.load("fashion_mnist_sample").test).count
    2000
    """
    from keras_vit.data.evaluation import evaluation_batches
    from keras_vit.data.splits import Split
    from keras_vit.layers.head import probabilities_of

    if isinstance(split, tuple):
        split = Split(*split)
    own = preprocessing is None
    preprocessing = carried_by(model) if own else resolve(preprocessing)
    num_classes = model.output_shape[-1]
    split.check_classes(num_classes)
    several = split.several
    loss = "sigmoid" if several else probabilities_of(model)
    tally = Tally(num_classes, loss, several)
    for images, labels, weights in evaluation_batches(
        split, batch_size, model.input_shape[1:3], preprocessing
    ):
        real = weights > 0
        tally.add(np.asarray(model.predict_on_batch(images))[real], labels[real])
    return tally.result()


def _softmax(logits, targets):
    largest = logits.max(1)
    log_sum = largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(1))
    return targets.sum(1) * log_sum - (targets * logits).sum(1)


def _sigmoid(logits, targets):
    return (np.logaddexp(0, logits) - targets * logits).sum(1)


_LOSSES = {"softmax": _softmax, "sigmoid": _sigmoid}
