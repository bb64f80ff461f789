"""How a run looks at its model on the way: by labels, or by masked patches.

An examination has `answer`, what the devices compute for a batch; `batches`, the
inputs of that, with labels and weights; and `tally`, what sums the answers up.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_vit.data.draws import uniforms
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.data.preprocessing import SQUASH
from keras_vit.evaluation import MetricSums

MOST_KEPT = 50_000_000  # logits of an evaluation, 200 MB
SOON_RANKED = 2_000_000  # logits, which are ranked in a second


class OfLabels:
    """Whether a classifier gives the labels of a split.

    Args:
        model: of K logits.
        loss: a key of `LOSSES`.
        preprocessing: how images become the model's size; squashed by default.
    """

    def __init__(self, model, loss, preprocessing=SQUASH):
        self.answer, self._loss = model, loss
        self._preprocessing = preprocessing

    def tally(self, split):
        """An empty `MetricSums`; it keeps logits where they tell more than accuracy."""
        classes = self.answer.output_shape[-1]
        logits = len(split) * classes
        keeps = logits <= MOST_KEPT and (
            split.several or classes == 2 or logits <= SOON_RANKED
        )
        return MetricSums(classes, self._loss, split.several, keep_logits=keeps)

    def batches(self, split, batch_size):
        """Yields `((images,), labels, weights)`."""
        for images, *rest in evaluation_batches(
            split, batch_size, self.answer.input_shape[1:3], self._preprocessing
        ):
            yield (images,), *rest


class OfMaskedPatches:
    """What a model says of corrupted patches, the same ones at each examination.

    Args:
        model: a `MaskedPatchPrediction`.
        vit: the ViT in it.
        seed: which, with an image's place in the split, determines its patches.
        preprocessing: how images become the model's size; squashed by default.
    """

    def __init__(self, model, vit, seed, preprocessing=SQUASH):
        self._model, self._vit, self._seed = model, vit, seed
        self._preprocessing = preprocessing

    def answer(self, images, draws, training):
        """Loss and share of right answers of each image, `(B, 2)`."""
        return tf.stack(self._model.judged(images, draws, training), axis=1)

    def tally(self, split):
        """An empty `MaskedPatchTally`."""
        return MaskedPatchTally()

    def batches(self, split, batch_size):
        """Yields `((images, draws), labels, weights)`."""
        size = self._vit.input_shape[1:3]
        batches = evaluation_batches(split, batch_size, size, self._preprocessing)
        for number, (images, *rest) in enumerate(batches):
            places = number * batch_size + np.arange(batch_size)
            draws = uniforms(self._seed, places, self._model.num_draws).numpy()
            yield (images, draws), *rest


@dataclass(frozen=True)
class MaskedPatchEvaluation:
    """What a model says of the corrupted patches of a split.

    Attributes:
        count: the images, all of the split's.
        loss: the mean over them, of the target that the model was trained by.
        accuracy: the share of colours that are right.
    """

    count: int
    loss: float
    accuracy: float


class MaskedPatchTally:
    """Sums over the images seen so far, as `MetricSums` has them.

    Attributes:
        numbers: the images, their shares of right answers, and their losses.
    """

    def __init__(self):
        self.numbers = np.zeros(3)

    def add(self, answers, labels):
        """Counts some images by their losses and shares, `(B, 2)`.

        Raises:
            FloatingPointError: if a loss is not finite.
        """
        if not np.isfinite(answers).all():
            raise FloatingPointError("The model's losses are not finite.")
        losses, right = np.asarray(answers, np.float64).sum(0)
        self.numbers += len(answers), right, losses

    def result(self):
        """The `MaskedPatchEvaluation` of what has been seen."""
        count, right, losses = self.numbers.tolist()
        return MaskedPatchEvaluation(int(count), losses / count, right / count)

    whole = result
