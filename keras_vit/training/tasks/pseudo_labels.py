"""Images without labels, and the labels that a teacher predicts for them.

Noisy Student training (arXiv:1911.04252): a teacher predicts the classes of
unchanged images; a student is trained on these and on labels, with augmentation,
dropout and stochastic depth.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.data.joined import Joined
from keras_vit.distribution import num_workers
from keras_vit.evaluation.predictions import one_hot, predictions_of
from keras_vit.files import written_whole
from keras_vit.training.tasks.classification import Classification
from keras_vit.training.tasks.task import TaskContext

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.data import Dataset
    from keras_vit.data.labelled import Labelled
    from keras_vit.training.artifacts.folder import RunFolder


LOG = logging.getLogger(__name__)
FILE = "pseudo_labels.npz"  # in a run's folder


@dataclass(frozen=True)
class PseudoLabels:
    """Which images without labels are trained on, and their labels.

    Attributes:
        indices: in the split without labels, `(M,)`; some more than once.
        labels: probabilities `(M, K)` float32, or zeros and a one.
    """

    indices: np.ndarray
    labels: np.ndarray

    def joined(self, labelled: Labelled, unlabelled: Labelled) -> Joined:
        """Return the training split: labelled images and, behind them, these."""
        known = labelled.labels
        if not labelled.several:
            known = one_hot(known, self.labels.shape[1])
        places = np.arange(len(labelled))
        return Joined(
            (labelled, unlabelled),
            np.concatenate([places, self.indices + len(labelled)]),
            np.concatenate([known, self.labels]).astype(np.float32),
        )


def pseudo_labels(
    probabilities: np.ndarray,
    kind: str,
    min_confidence: float,
    *,
    per_class: int | None,
    seed: int,
) -> PseudoLabels:
    """Choose images by a teacher's predictions, equally many of each class.

    Section 3.1 of the paper: images with a lower confidence are left out; of a
    class with more images than requested, the most confident are taken; of one
    with fewer, random ones are repeated.

    Args:
        probabilities: the teacher's of each image, `(N, K)`.
        kind: `"soft"`, they are the labels, or `"hard"`, the likeliest class is.
        min_confidence: the probability of the likeliest class must be above it.
        per_class: images of each class; `None`: N / K, rounded.
        seed: of the repeated images.

    Returns:
        `PseudoLabels`, by class; none of a class without a confident image.

    Raises:
        ValueError: if the teacher is sure of no image.

    Example:

    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    >>> pseudo_labels(probabilities, "soft", 0.5, per_class=2, seed=0).indices.tolist()
    [0, 2, 3, 3]
    """
    count, num_classes = probabilities.shape
    each = per_class or max(round(count / num_classes), 1)
    confidence, classes = probabilities.max(1), probabilities.argmax(1)
    rng, chosen = np.random.default_rng(seed), []
    for number in range(num_classes):
        own = np.flatnonzero((classes == number) & (confidence > min_confidence))
        if len(own):
            own = own[np.argsort(-confidence[own], kind="stable")][:each]
            again = rng.choice(own, each - len(own))
            chosen.append(np.concatenate([own, again]))
    if not chosen:
        raise ValueError(
            "The teacher must be sure of some images without a label: of a probability "
            f"above min_confidence={min_confidence}. Received: {confidence.max():.3f} "
            "at most. Set a smaller min_confidence, or train a better teacher"
        )
    indices = np.concatenate(chosen)
    labels = probabilities[indices]
    if kind == "hard":
        labels = one_hot(labels.argmax(1), num_classes)
    return PseudoLabels(indices, labels.astype(np.float32))


class PseudoLabelling(Classification):
    """Learns labels, and what a teacher predicts of images without.

    Args:
        teacher: a `Classifier` of the same classes.
        unlabelled_split: the name of the split of those images.
        kind: `"soft"` or `"hard"`, as `pseudo_labels` takes it.
        min_confidence, per_class: as `pseudo_labels` takes them.
        label_smoothing: as in `Classification`.

    Raises:
        ValueError: for a teacher that does not predict one class an image.
    """

    def __init__(
        self,
        teacher: Classifier,
        unlabelled_split: str,
        *,
        kind: str = "soft",
        min_confidence: float = 0.3,
        per_class: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__("softmax", label_smoothing)
        if teacher.activation != "softmax":
            raise ValueError(
                "The teacher must predict one class an image: one trained with "
                f"loss=softmax. Received: {teacher.name!r}, trained with loss="
                f"{teacher.activation}, which predicts each class by itself"
            )
        self.teacher, self.unlabelled_split = teacher, unlabelled_split
        self.kind, self.min_confidence = kind, min_confidence
        self.per_class = per_class

    def num_examples(self, split: Labelled) -> None:
        """Return `None`: the teacher's confidence chooses how many there are."""

    def examples(
        self, split: Labelled, dataset: Dataset, context: TaskContext
    ) -> Joined:
        """Return the labelled images and those that the teacher labels.

        Its labels are read from the run's folder where it resumes.

        Raises:
            ValueError: if the teacher has other classes, or for several workers.
        """
        split = super().examples(split, dataset, context)
        unlabelled = dataset.split(self.unlabelled_split)
        if num_workers(context.strategy) > 1:
            raise ValueError(
                "pseudo_labels needs a strategy of one worker. Received: one of "
                f"{num_workers(context.strategy)}. Train on one machine"
            )
        if self.teacher.num_classes != dataset.num_classes:
            raise ValueError(
                "Student and teacher must have the same classes. Received: a teacher "
                f"of {self.teacher.num_classes} and data of {dataset.num_classes}"
            )
        labels = _stored(unlabelled, context.folder.path / FILE)
        if labels is None:
            labels = self._predicted(unlabelled, context)
        self._chosen = labels, unlabelled
        return labels.joined(split, unlabelled)

    def _predicted(self, split: Labelled, context: TaskContext) -> PseudoLabels:
        predictions = predictions_of(self.teacher, split, strategy=context.strategy)
        labels = pseudo_labels(
            # Labels of zeros and ones would make these probabilities of a sigmoid.
            dataclasses.replace(predictions, activation="softmax").probabilities(),
            self.kind,
            self.min_confidence,
            per_class=self.per_class,
            seed=context.seed,
        )
        classes, images = labels.labels.argmax(1), np.unique(labels.indices)
        LOG.info(
            f"Pseudo labels of {self.unlabelled_split}: {len(labels.indices):,} of "
            f"{len(np.unique(classes))} classes, by {len(images):,} of "
            f"{len(split):,} images."
        )
        return labels

    def write(self, folder: RunFolder) -> None:
        """Write the teacher's labels, from which the run resumes.

        The fingerprint of their images is written too, by which a later start finds
        out whether they belong to them.
        """
        labels, split = self._chosen
        path = folder.path / FILE
        if _stored(split, path) is not None:
            return
        with written_whole(path) as scratch, open(scratch, "wb") as file:
            np.savez(
                file,
                indices=labels.indices,
                labels=labels.labels,
                images=split.fingerprint(),
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "unlabelled_split": self.unlabelled_split,
            "kind": self.kind,
            "min_confidence": self.min_confidence,
            "per_class": self.per_class,
        }


def _stored(split: Labelled, path: pathlib.Path) -> PseudoLabels | None:
    """Return the pseudo labels in a file, if they are of these images."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["images"]) != split.fingerprint():
            return None
        return PseudoLabels(stored["indices"], stored["labels"])
