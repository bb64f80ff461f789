"""Images without labels, and the labels that a teacher predicts for them.

Noisy Student training (arXiv:1911.04252): a teacher predicts the classes of
unchanged images; a student is trained on these and on labels, with augmentation,
dropout and stochastic depth.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.data.joined import Joined
from keras_vit.distribution import num_workers
from keras_vit.evaluation.predictions import one_hot, predictions_of
from keras_vit.files import written_whole

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_vit.classifier import Classifier
    from keras_vit.data.splits import Labelled
    from keras_vit.recipes import Recipe
    from keras_vit.training.folder import RunFolder


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
    per_class: int,
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
        per_class: images of each class; 0: N / K, rounded.
        seed: of the repeated images.

    Returns:
        `PseudoLabels`, by class; none of a class without a confident image.

    Raises:
        ValueError: if the teacher is sure of no image.

    Example:

    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    >>> pseudo_labels(probabilities, "soft", 0.5, 2, seed=0).indices.tolist()
    [0, 2, 3, 3]
    """
    count, num_classes = probabilities.shape
    per_class = per_class or max(round(count / num_classes), 1)
    confidence, classes = probabilities.max(1), probabilities.argmax(1)
    rng, chosen = np.random.default_rng(seed), []
    for number in range(num_classes):
        own = np.flatnonzero((classes == number) & (confidence > min_confidence))
        if len(own):
            own = own[np.argsort(-confidence[own], kind="stable")][:per_class]
            again = rng.choice(own, per_class - len(own))
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


def labels_of_run(
    recipe: Recipe,
    split: Labelled,
    num_classes: int,
    teacher: Classifier,
    strategy: tf.distribute.Strategy,
    folder: RunFolder,
    seed: int,
    tell: Callable[[str], object],
) -> PseudoLabels:
    """Return the pseudo labels of a run: those in its folder, or new ones.

    Args:
        recipe: with `pseudo_labels` set.
        split: the images without labels.
        num_classes: of the training data.
        teacher: a `Classifier` of the same classes.
        strategy: whose replicas share the work.
        folder: of the run.
        seed: of the run.
        tell: a function that shows a line to the user.

    Raises:
        ValueError: if the teacher does not fit, or for several workers.
    """
    if num_workers(strategy) > 1:
        raise ValueError(
            "pseudo_labels needs a strategy of one worker. Received: one of "
            f"{num_workers(strategy)}. Train on one machine"
        )
    if teacher.num_classes != num_classes:
        raise ValueError(
            "Student and teacher must have the same classes. Received: a teacher of "
            f"{teacher.num_classes} and data of {num_classes}"
        )
    if teacher.activation != "softmax":
        raise ValueError(
            "The teacher must predict one class an image: one trained with "
            f"loss=softmax. Received: {teacher.name!r}, trained with loss="
            f"{teacher.activation}, which predicts each class by itself"
        )
    path = folder.path / FILE
    if _are_of(split, path):
        with np.load(path, allow_pickle=False) as stored:
            return PseudoLabels(stored["indices"], stored["labels"])
    predictions = predictions_of(teacher, split, strategy=strategy)
    labels = pseudo_labels(
        # Labels of zeros and ones would make these probabilities of a sigmoid.
        dataclasses.replace(predictions, activation="softmax").probabilities(),
        recipe.pseudo_labels,
        recipe.min_confidence,
        recipe.pseudo_per_class,
        seed,
    )
    tell(_line_of(labels, len(split), recipe))
    return labels


def write(labels: PseudoLabels, split: Labelled, folder: RunFolder) -> None:
    """Write pseudo labels to a run's folder, from where it resumes with them.

    The fingerprint of the split is written too, by which a later start finds out
    whether they belong to it.
    """
    path = folder.path / FILE
    if _are_of(split, path):
        return
    with written_whole(path) as scratch, open(scratch, "wb") as file:
        np.savez(
            file,
            indices=labels.indices,
            labels=labels.labels,
            images=split.fingerprint(),
        )


def _are_of(split: Labelled, path: pathlib.Path) -> bool:
    """Return whether a file holds pseudo labels of these images."""
    if not path.is_file():
        return False
    with np.load(path, allow_pickle=False) as stored:
        return str(stored["images"]) == split.fingerprint()


def _line_of(labels: PseudoLabels, count: int, recipe: Recipe) -> str:
    classes = labels.labels.argmax(1)
    return (
        f"Pseudo labels of {recipe.unlabelled_split}: {len(labels.indices):,} of "
        f"{len(np.unique(classes))} classes, by {len(np.unique(labels.indices)):,} of "
        f"{count:,} images."
    )
