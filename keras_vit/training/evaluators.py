"""How a run evaluates its model on the way: by labels, or by masked patches.

An evaluator has `answer`, what the devices compute for a batch; `batches`, the
inputs of that, with labels and weights; and `metric_sums`, to which the answers are
added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import tensorflow as tf

from keras_vit.data.draws import uniforms
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.data.preprocessing import SQUASH
from keras_vit.evaluation import MetricSums

if TYPE_CHECKING:
    import keras

    from keras_vit.data.splits import Labelled
    from keras_vit.preprocessing import Preprocessing
    from keras_vit.training.masked_patches import MaskedPatchPrediction


# The inputs of the model, the labels `(B,)` or `(B, K)`, the weights `(B,)`.
Batches: TypeAlias = Iterator[tuple[tuple[Any, ...], np.ndarray, np.ndarray]]

MOST_KEPT = 50_000_000  # logits of an evaluation, 200 MB
SOON_RANKED = 2_000_000  # logits, which are ranked in a second


class ClassificationEvaluator:
    """Evaluates a classifier by the labels of a split.

    Args:
        model: of K logits.
        loss: a key of `LOSSES`.
        preprocessing: how images become the model's size; squashed by default.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Literal["softmax", "sigmoid"],
        preprocessing: Preprocessing = SQUASH,
    ) -> None:
        self.answer: keras.Model = model
        self._loss: Literal["softmax", "sigmoid"] = loss
        self._preprocessing = preprocessing

    def metric_sums(self, split: Labelled) -> MetricSums:
        """Return empty sums; logits are kept where more than accuracy is measured."""
        outputs: Any = self.answer.output_shape
        classes = outputs[-1]
        logits = len(split) * classes
        keeps = logits <= MOST_KEPT and (
            split.several or classes == 2 or logits <= SOON_RANKED
        )
        return MetricSums(classes, self._loss, split.several, keep_logits=keeps)

    def batches(self, split: Labelled, batch_size: int) -> Batches:
        """Yield `((images,), labels, weights)`."""
        size: Any = self.answer.input_shape[1:3]
        batches = evaluation_batches(split, batch_size, size, self._preprocessing)
        for images, labels, weights in batches:
            yield (images,), labels, weights


class MaskedPatchEvaluator:
    """Evaluates predictions of corrupted patches, the same ones each time.

    Args:
        model: a `MaskedPatchPrediction`.
        vit: the ViT in it.
        seed: which, with an image's place in the split, determines its patches.
        preprocessing: how images become the model's size; squashed by default.
    """

    def __init__(
        self,
        model: MaskedPatchPrediction,
        vit: keras.Model,
        seed: int,
        preprocessing: Preprocessing = SQUASH,
    ) -> None:
        self._model, self._vit, self._seed = model, vit, seed
        self._preprocessing = preprocessing

    def answer(self, images: Any, draws: Any, training: bool) -> Any:
        """Return each image's loss and share of correct predictions, `(B, 2)`."""
        return tf.stack(self._model.loss_and_accuracy(images, draws, training), axis=1)

    def metric_sums(self, split: Labelled) -> MaskedPatchSums:
        """Return empty sums."""
        return MaskedPatchSums()

    def batches(self, split: Labelled, batch_size: int) -> Batches:
        """Yield `((images, draws), labels, weights)`."""
        size: Any = self._vit.input_shape[1:3]
        batches = evaluation_batches(split, batch_size, size, self._preprocessing)
        for number, (images, labels, weights) in enumerate(batches):
            places = number * batch_size + np.arange(batch_size)
            drawn: Any = uniforms(
                self._seed, tf.convert_to_tensor(places), self._model.num_draws
            )
            yield (images, drawn.numpy()), labels, weights


Evaluator: TypeAlias = ClassificationEvaluator | MaskedPatchEvaluator


@dataclass(frozen=True)
class MaskedPatchEvaluation:
    """How well a model predicts the corrupted patches of a split.

    Attributes:
        count: the images, all of the split's.
        loss: the mean over them, of the target that the model was trained by.
        accuracy: the share of colours that are predicted correctly.
    """

    count: int
    loss: float
    accuracy: float


class MaskedPatchSums:
    """Sums over the images seen so far, as `MetricSums` has them.

    Attributes:
        numbers: the images, their shares of correct predictions, their losses.
    """

    def __init__(self) -> None:
        self.numbers = np.zeros(3)

    def add(self, answers: np.ndarray, labels: Any) -> None:
        """Count some images by their losses and shares, `(B, 2)`.

        Raises:
            FloatingPointError: if a loss is not finite.
        """
        if not np.isfinite(answers).all():
            raise FloatingPointError(
                "Expected finite losses of the model. Received: NaN or infinity"
            )
        losses, right = np.asarray(answers, np.float64).sum(0)
        self.numbers += len(answers), right, losses

    def result(self) -> MaskedPatchEvaluation:
        """Return the `MaskedPatchEvaluation` of what has been seen."""
        count, right, losses = self.numbers.tolist()
        return MaskedPatchEvaluation(int(count), losses / count, right / count)

    whole = result
