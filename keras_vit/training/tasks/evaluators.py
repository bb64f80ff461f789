"""How a run evaluates its model on the way: by labels, or by its objective.

An evaluator has `answer`, what the devices compute for a batch; `batches` of a split
of K classes, the inputs of that, with labels and weights; and `metric_sums`, to which
the answers are added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

    from keras_vit.data.labelled import Labelled
    from keras_vit.preprocessing import Preprocessing


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

    def batches(self, split: Labelled, batch_size: int, num_classes: int) -> Batches:
        """Yield `((images,), labels, weights)`."""
        size: Any = self.answer.input_shape[1:3]
        batches = evaluation_batches(split, batch_size, size, self._preprocessing)
        for images, labels, weights in batches:
            yield (images,), labels, weights


class LossEvaluator:
    """Evaluates an objective on a split, with the same draws each time.

    Args:
        objective: of images, targets or draws, and `training`: losses and correct
            shares, `(B,)`.
        num_draws: how many random numbers an image needs; 0: its label, as a row.
        seed: which, with an image's place in the split, determines them.
        image_size: height and width of the model's images.
        preprocessing: how images become that size; squashed by default.
        predicted: what is predicted, for the line that reports it.
    """

    def __init__(
        self,
        objective: Callable[..., tuple[Any, Any]],
        num_draws: int,
        *,
        seed: int,
        image_size: tuple[int, int],
        preprocessing: Preprocessing = SQUASH,
        predicted: str = "predictions",
    ) -> None:
        self._objective, self._num_draws, self._seed = objective, num_draws, seed
        self._image_size, self._preprocessing = image_size, preprocessing
        self._predicted = predicted

    def answer(self, images: Any, targets: Any, training: bool) -> Any:
        """Return each image's loss and share of correct predictions, `(B, 2)`."""
        return tf.stack(self._objective(images, targets, training), axis=1)

    def metric_sums(self, split: Labelled) -> LossSums:
        """Return empty sums."""
        return LossSums(self._predicted)

    def batches(self, split: Labelled, batch_size: int, num_classes: int) -> Batches:
        """Yield `((images, targets or draws), labels, weights)`."""
        batches = evaluation_batches(
            split, batch_size, self._image_size, self._preprocessing
        )
        for number, (images, labels, weights) in enumerate(batches):
            if not self._num_draws:
                yield (images, _rows_of(labels, num_classes)), labels, weights
                continue
            places = number * batch_size + np.arange(batch_size)
            drawn: Any = uniforms(
                self._seed, tf.convert_to_tensor(places), self._num_draws
            )
            yield (images, drawn.numpy()), labels, weights


def _rows_of(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Return labels as training has them: float32 `(B, K)`, one- or multi-hot."""
    if labels.ndim == 2:
        return labels.astype(np.float32)
    return np.eye(num_classes, dtype=np.float32)[labels]


Evaluator: TypeAlias = ClassificationEvaluator | LossEvaluator


@dataclass(frozen=True)
class LossEvaluation:
    """How well a model does without labels, by the objective it is trained by.

    Attributes:
        count: the images, all of the split's.
        loss: the mean over them.
        accuracy: the mean share of correct predictions.
        predicted: what is predicted.
    """

    count: int
    loss: float
    accuracy: float
    predicted: str = "predictions"


class LossSums:
    """Sums over the images seen so far, as `MetricSums` has them.

    Attributes:
        numbers: the images, their shares of correct predictions, their losses.
    """

    def __init__(self, predicted: str = "predictions") -> None:
        self.numbers, self._predicted = np.zeros(3), predicted

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

    def result(self) -> LossEvaluation:
        """Return the `LossEvaluation` of what has been seen."""
        count, right, losses = self.numbers.tolist()
        return LossEvaluation(
            int(count), losses / count, right / count, self._predicted
        )

    whole = result
