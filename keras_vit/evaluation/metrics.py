"""Whole-set metrics."""

from dataclasses import dataclass, replace

import numpy as np

from keras_vit.evaluation.answers import Answers, answers_of, one_hot
from keras_vit.evaluation.ranking import Ranking, mean_of_defined, ranking

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
        classes: `(3, K)` counts of images for each class: those that show it,
            those that are answered so, and those that are both. Where an
            image can have several classes, it is answered with all whose
            probability is above one half.
        confusion: `(K, K)` counts; a row is a true class, a column an answer.
            `None` for images of several classes, or more than
            `MOST_CONFUSED` of them.
        ranking: how well each class's scores order the images, a `Ranking`;
            `None` for an evaluation that kept no logits.
    """

    count: int
    loss: float
    top1: float
    top5: float
    classes: np.ndarray
    confusion: np.ndarray | None = None
    ranking: Ranking | None = None

    @property
    def several(self):
        """Whether an image can have several classes, or none."""
        return self.ranking is not None and self.ranking.average_precision is not None

    @property
    def binary(self):
        """Whether an image has one class of two, of which the second is asked for."""
        return self.confusion is not None and len(self.confusion) == 2

    @property
    def auroc(self):
        """The mean area under the ROC curve, over the classes that have one.

        Each class against all others; of two, both are alike. `None` if no
        class has one, or no logits were kept.
        """
        return None if self.ranking is None else mean_of_defined(self.ranking.auroc)

    @property
    def without_auroc(self):
        """How many classes have no such area: no image shows them, or all do."""
        return 0 if self.ranking is None else int(np.isnan(self.ranking.auroc).sum())

    @property
    def mean_average_precision(self):
        """The mean over the classes that have images, where images can have several.

        `None` else, or if no class has images, or no logits were kept.
        """
        return mean_of_defined(self.ranking.average_precision) if self.several else None

    @property
    def sensitivity(self):
        """The share of a binary set's second class that is found; else `None`."""
        return _number(self.class_accuracy[1]) if self.binary else None

    @property
    def specificity(self):
        """The share of a binary set's first class that is found; else `None`."""
        return _number(self.class_specificity[1]) if self.binary else None

    @property
    def class_specificity(self):
        """The share of the images without a class that are not answered so, `(K,)`.

        NaN for a class that all images show.
        """
        shown, answered, both = self.classes
        others = self.count - shown
        right = others - (answered - both)
        return np.where(others > 0, right / np.maximum(others, 1), np.nan)

    @property
    def accuracy(self):
        """`top1`."""
        return self.top1

    @property
    def class_accuracy(self):
        """The share of each class's images that are answered so, `(K,)`.

        NaN for a class without images.
        """
        shown, _, both = self.classes
        return np.where(shown > 0, both / np.maximum(shown, 1), np.nan)

    @property
    def f1(self):
        """Of each class, the harmonic mean of precision and recall, `(K,)`.

        NaN for a class that is neither shown nor answered.
        """
        shown, answered, both = self.classes
        sum_ = shown + answered
        return np.where(sum_ > 0, 2 * both / np.maximum(sum_, 1), np.nan)

    @property
    def macro_f1(self):
        """The mean of `f1` over the classes that are shown or answered."""
        return float(np.nanmean(self.f1)) if self.classes[:2].any() else 0.0


class Tally:
    """Sums over the images seen so far, of which an `Evaluation` is made.

    Args:
        num_classes: K.
        loss: `"softmax"` or `"sigmoid"`, as the model was trained.
        several: whether an image can have several classes, its labels being
            zeros and ones.
        keeps: whether logits are kept, for the `Ranking` of `whole`.

    Attributes:
        numbers: all sums as one vector, so that those of several tallies can
            be added; the last is that of the losses.
    """

    def __init__(self, num_classes, loss="softmax", several=False, *, keeps=False):
        self._kept = [] if keeps else None
        self.num_classes, self.loss, self.several = num_classes, loss, several
        kept = num_classes <= MOST_CONFUSED and not several
        lengths = (3, 3 * num_classes, num_classes**2 if kept else 0, 1)
        self.numbers = np.zeros(sum(lengths))
        parts = np.split(self.numbers, np.cumsum(lengths[:-1]))  # views of it
        self._images, classes, confusion, self._losses = parts
        self._classes = classes.reshape(3, num_classes)
        self._confusion = confusion.reshape(2 * (num_classes,)) if kept else None

    def add(self, logits, labels):
        """Counts some images: logits `(B, K)`, labels `(B,)` or several `(B, K)`.

        Raises:
            FloatingPointError: if a logit is not finite.
        """
        logits = np.asarray(logits, np.float64)
        if not np.isfinite(logits).all():
            raise FloatingPointError("The model gives logits that are not finite.")
        answers = Answers(logits, labels, self.loss)
        if self._kept is not None:
            self._kept.append((logits.astype(np.float32), labels))
        best, targets = answers.best(), answers.targets()
        if self._confusion is not None:
            np.add.at(self._confusion, (labels, best), 1)
        answered = logits > 0 if self.several else one_hot(best, self.num_classes)
        self._classes += (targets.sum(0), answered.sum(0), (targets * answered).sum(0))
        self._images += (len(labels), answers.right().sum(), answers.right(5).sum())
        self._losses += LOSSES[self.loss](logits, targets).sum()

    def result(self):
        """The `Evaluation` of what has been seen."""
        count, top1, top5 = self._images
        confusion = self._confusion
        return Evaluation(
            count=int(count),
            loss=float(self._losses[0] / count),
            top1=float(top1 / count),
            top5=float(top5 / count),
            classes=self._classes.astype(np.int64),
            confusion=None if confusion is None else confusion.astype(np.int64),
        )

    def whole(self):
        """The `Evaluation` of what has been seen, with a `Ranking` if logits are kept.

        Without one where other workers have seen a part of the images.
        """
        found = self.result()
        if not self._kept or sum(len(one) for one, _ in self._kept) != found.count:
            return found
        logits, labels = map(np.concatenate, zip(*self._kept, strict=True))
        return replace(found, ranking=ranking(Answers(logits, labels, self.loss)))


def evaluate(model, split, batch_size=200, preprocessing=None, strategy=None):
    """Evaluates a classifier on a whole split, its last partial batch included.

    Args:
        model: a Keras model of logits or probabilities of K classes, or of one
            output (see `keras_vit.logits.logits_model`).
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`,
            with labels below K.
        batch_size: images at a time. It does not change the result.
        preprocessing: how images of other sizes become the model's: a
            `keras_vit.preprocessing.Preprocessing`, or text such as
            `"timm:0.9"`. The model's own by default.
        strategy: a name that `keras_vit.distribution.strategy` knows, or a
            `tf.distribute.Strategy`. One device by default.

    Returns:
        An `Evaluation`.

    Raises:
        TypeError: if `split` is neither, such as a tf.data.Dataset.
        ValueError: if a label is not one of the model's classes, or for
            an unknown preprocessing or strategy.
        FloatingPointError: if a logit is not finite.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> evaluate(model, data.load("fashion_mnist_sample").test).count
    2000
    """
    return evaluation_of(answers_of(model, split, batch_size, preprocessing, strategy))


def evaluation_of(answers):
    """The `Evaluation` of `Answers`."""
    tally = Tally(answers.num_classes, answers.loss, answers.several)
    for part in answers.parts():
        tally.add(part.logits, part.labels)
    return replace(tally.result(), ranking=ranking(answers))


def loss_of(answers):
    """The mean cross-entropy of `Answers`, in nats."""
    of_loss = LOSSES[answers.loss]
    parts = [
        of_loss(one.logits.astype(np.float64), one.targets()) for one in answers.parts()
    ]
    return float(np.concatenate(parts).mean())


def _number(value):
    """A float; `None` for NaN."""
    return None if np.isnan(value) else float(value)


def _softmax(logits, targets):
    largest = logits.max(1)
    log_sum = largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(1))
    return targets.sum(1) * log_sum - (targets * logits).sum(1)


def _sigmoid(logits, targets):
    return (np.logaddexp(0, logits) - targets * logits).sum(1)


LOSSES = {"softmax": _softmax, "sigmoid": _sigmoid}
