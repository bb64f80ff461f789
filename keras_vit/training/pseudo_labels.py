"""Images without labels, and what a teacher says they show.

Noisy Student training (arXiv:1911.04252): a teacher looks at images as they
are; a student learns what it said of them, and labels, from images changed at
random and through dropout and stochastic depth.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from keras_vit.data.joined import Joined
from keras_vit.distribution import num_workers
from keras_vit.evaluation.predictions import one_hot, predictions_of
from keras_vit.files import written_whole

FILE = "pseudo_labels.npz"  # in a run's folder


@dataclass(frozen=True)
class PseudoLabels:
    """Which images are learnt from, and what they are taken to show.

    Attributes:
        indices: in the split without labels, `(M,)`; some more than once.
        labels: probabilities `(M, K)` float32, or zeros and a one.
    """

    indices: np.ndarray
    labels: np.ndarray

    def joined(self, labelled, unlabelled):
        """The split that is learnt from: labelled images and, behind them, these."""
        known = labelled.labels
        if not labelled.several:
            known = one_hot(known, self.labels.shape[1])
        places = np.arange(len(labelled))
        return Joined(
            (labelled, unlabelled),
            np.concatenate([places, self.indices + len(labelled)]),
            np.concatenate([known, self.labels]).astype(np.float32),
        )


def pseudo_labels(probabilities, kind, min_confidence, per_class, seed):
    """Chooses images by what a teacher says of them, alike many of each class.

    Section 3.1 of the paper: what the teacher is not sure of is left out; of a
    class that has more images than asked for, those it is surest of are taken;
    of one that has fewer, some at random are taken again.

    Args:
        probabilities: the teacher's of each image, `(N, K)`.
        kind: `"soft"`, they are the labels, or `"hard"`, the likeliest class is.
        min_confidence: what the likeliest class has to be above.
        per_class: images of each class; 0: N / K, rounded.
        seed: of what is taken again.

    Returns:
        `PseudoLabels`, by class; none of a class that no image is taken for.

    Raises:
        ValueError: if the teacher is sure of no image.

    Example:

    >>> told = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    >>> pseudo_labels(told, "soft", 0.5, 2, seed=0).indices.tolist()
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
            "The teacher is sure of no image without a label. Expected some above "
            f"min_confidence={min_confidence}. Received: {confidence.max():.3f} "
            "at most"
        )
    indices = np.concatenate(chosen)
    told = probabilities[indices]
    if kind == "hard":
        told = one_hot(told.argmax(1), num_classes)
    return PseudoLabels(indices, told.astype(np.float32))


def labels_of_run(recipe, split, num_classes, teacher, strategy, folder, seed, tell):
    """Gives the pseudo labels of a run: those in its folder, or new ones.

    Args:
        recipe: with `pseudo_labels` set.
        split: the images without labels.
        num_classes: that are learnt.
        teacher: a `Classifier` of the same classes.
        strategy: whose replicas share the work.
        folder: of the run.
        seed: of the run.
        tell: what takes a line for the user.

    Raises:
        ValueError: if the teacher does not fit, or for several workers.
    """
    if num_workers(strategy) > 1:
        raise ValueError("Pseudo labels are made by one worker. Received: several")
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
    told = pseudo_labels(
        # Rows of zeros and a one would have it judge each class by itself.
        dataclasses.replace(predictions, activation="softmax").probabilities(),
        recipe.pseudo_labels,
        recipe.min_confidence,
        recipe.pseudo_per_class,
        seed,
    )
    tell(_told_of(told, len(split), recipe))
    return told


def write(labels, split, folder):
    """Leaves pseudo labels in a run's folder, from where it goes on with them.

    With what tells whether they are those of the split another time.
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


def _are_of(split, path):
    """Whether pseudo labels of these images lie in a file."""
    if not path.is_file():
        return False
    with np.load(path, allow_pickle=False) as stored:
        return str(stored["images"]) == split.fingerprint()


def _told_of(told, count, recipe):
    classes = told.labels.argmax(1)
    return (
        f"Pseudo labels of {recipe.unlabelled_split}: {len(told.indices):,} of "
        f"{len(np.unique(classes))} classes, by {len(np.unique(told.indices)):,} of "
        f"{count:,} images."
    )
