"""A model's logits for a whole split, computed once for all that is measured."""

from dataclasses import dataclass

import numpy as np

from keras_vit.evaluation.outputs import outputs_of
from keras_vit.logits import ends_in_softmax, logits_model

AT_ONCE = 1_000_000  # logits, where more is computed of them


@dataclass(frozen=True)
class Answers:
    """What a model says of each image of a split.

    Attributes:
        logits: `(N, K)` float32.
        labels: the class of each, `(N,)`; or zeros and ones `(N, K)`.
        loss: `"softmax"` or `"sigmoid"`: how logits become probabilities.

    Example:

    >>> logits = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]], np.float32)
    >>> Answers(logits, np.array([0, 1])).right().tolist()
    [True, False]
    """

    logits: np.ndarray
    labels: np.ndarray
    loss: str = "softmax"

    def __len__(self):
        return len(self.labels)

    @property
    def several(self):
        """Whether an image can have several classes, or none."""
        return self.labels.ndim == 2

    @property
    def num_classes(self):
        """K."""
        return self.logits.shape[1]

    def best(self):
        """The class with the largest logit of each image, `(N,)`."""
        return self.logits.argmax(1)

    def right(self, top=1):
        """Whether the class, or one of the classes, is among the `top` largest.

        Of equal logits, that of the class with the smaller number counts as
        the larger one.

        Returns:
            `(N,)` booleans.
        """
        parts = [_right(one.logits, one.labels, top) for one in self.parts()]
        return np.concatenate(parts)

    def targets(self):
        """Zeros and ones, `(N, K)`: which classes each image shows."""
        return self.labels if self.several else one_hot(self.labels, self.num_classes)

    def probabilities(self):
        """By softmax or sigmoid, `(N, K)` float64. Of many images, ask `parts`."""
        return _PROBABILITIES[self.loss](self.logits.astype(np.float64))

    def divided(self, temperature):
        """The answers with all logits divided by a temperature."""
        logits = self.logits / np.float32(temperature)
        return Answers(logits, self.labels, self.loss)

    def subset(self, indices):
        """The answers to those images alone."""
        return Answers(self.logits[indices], self.labels[indices], self.loss)

    def parts(self):
        """Yields answers to a few images at a time, in order."""
        step = max(AT_ONCE // self.num_classes, 1)
        for start in range(0, len(self), step):
            yield self.subset(slice(start, start + step))


def one_hot(classes, num_classes):
    """Zeros and a one for each image, `(N, K)`."""
    targets = np.zeros((len(classes), num_classes))
    targets[np.arange(len(classes)), classes] = 1
    return targets


def _softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _sigmoid(logits):
    return np.exp(-np.logaddexp(0, -logits))


_PROBABILITIES = {"softmax": _softmax, "sigmoid": _sigmoid}


def _right(logits, labels, top):
    if labels.ndim == 2:
        best = np.argsort(-logits, axis=1, kind="stable")[:, :top]
        return np.take_along_axis(labels, best, axis=1).any(1)
    own = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)
    smaller = np.arange(logits.shape[1]) < labels[:, np.newaxis]
    return ((logits > own) | ((logits == own) & smaller)).sum(1) < top


def answers_of(model, split, batch_size=200, preprocessing=None, strategy=None):
    """Computes a classifier's logits for a whole split, each image once.

    Args:
        model: a Keras model of logits or probabilities of K classes, or of one
            output (see `keras_vit.logits.logits_model`); or a
            `keras_vit.model_files.ServedModel`.
        split: a split of a `keras_vit.data.Dataset`, or `(images, labels)`,
            with labels below K.
        batch_size: images at a time. It does not change the result.
        preprocessing: how images of other sizes become the model's: a
            `keras_vit.preprocessing.Preprocessing`, or text such as
            `"timm:0.9"`. The model's own by default.
        strategy: a name that `keras_vit.distribution.strategy` knows, or a
            `tf.distribute.Strategy`, whose replicas share each batch. One
            device by default.

    Returns:
        `Answers`.

    Raises:
        TypeError: if `split` is neither, such as a tf.data.Dataset.
        ValueError: if a label is not one of the model's classes, for an
            unknown preprocessing or strategy, one of several workers, or a
            served model under a strategy.
        FloatingPointError: if a logit is not finite.
    """
    from keras_vit.data.evaluation import given_split
    from keras_vit.layers.head import probabilities_of

    split = given_split(split)
    model = logits_model(model)
    split.check_classes(model.output_shape[-1])
    logits = outputs_of(model, split, batch_size, preprocessing, strategy)
    loss = probabilities_of(model)
    if split.several and loss == "softmax" and ends_in_softmax(model):
        logits = _of_each_class(logits)
    return Answers(logits, split.labels, "sigmoid" if split.several else loss)


def _of_each_class(logits):
    """The logits whose sigmoids are the softmax of these, `(N, K)`."""
    p = _softmax(logits.astype(np.float64))
    least = np.finfo(np.float32).tiny
    odds = np.maximum(p, least) / np.maximum(1 - p, least)
    return np.log(odds).astype(np.float32)
