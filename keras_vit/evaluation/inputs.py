"""What people pass to a measurement -> a classifier and a split that fit."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from keras_vit.classifier import Classifier, Source
from keras_vit.preprocessing import Preprocessing, resolve
from keras_vit.weights.imagenet import imagenet_classes

if TYPE_CHECKING:
    from keras_vit.data import Dataset
    from keras_vit.data.labelled import Labelled
    from keras_vit.evaluation.predictions import Predictions

DataInput: TypeAlias = (
    "str | os.PathLike[str] | Dataset | Labelled | tuple[np.ndarray, np.ndarray]"
)
LOG = logging.getLogger("keras_vit.evaluation")


class Inputs(NamedTuple):
    """A classifier and a split.

    Attributes:
        classifier: with the preprocessing that was asked for.
        split: of labelled images.
        order: the classifier's class for each of the split's, `(K,)`, where they
            have the same names in another order; `None`: the same order.
    """

    classifier: Classifier
    split: Labelled
    order: np.ndarray | None = None

    def in_order(self, predictions: Predictions) -> Predictions:
        """Return predictions whose classes are in the order of the split's."""
        from keras_vit.evaluation.predictions import reordered

        return reordered(predictions, self.order)


def opened(
    model: Source,
    data: DataInput,
    preprocessing: Preprocessing | str | None = None,
    *,
    any_classes: bool = False,
) -> Inputs:
    """Return the classifier and the test split that a user's arguments stand for.

    Args:
        model: as `keras_vit.classifier.Classifier.of` takes it.
        data: as `keras_vit.data.split_of` takes it. Files are read as the model's
            were.
        preprocessing: instead of the model's own.
        any_classes: whether the data may have other classes than the model.

    Raises:
        TypeError, ValueError, OSError: as those, and as `class_order`; if there
            is no image.
    """
    from keras_vit.data import split_of

    classifier = classifier_with(model, preprocessing)
    split, class_names = split_of(data, decoding=classifier.decoding)
    if not len(split):
        raise ValueError("Expected at least one image to evaluate on. Received: none")
    if class_names is None or any_classes:
        return Inputs(classifier, split)
    return Inputs(classifier, split, class_order(classifier, class_names))


def classifier_with(
    model: Source, preprocessing: Preprocessing | str | None
) -> Classifier:
    """Return the `Classifier` of a model, with another preprocessing if given."""
    resizing = None if preprocessing is None else resolve(preprocessing)
    classifier = Classifier.of(model)
    if resizing is None:
        return classifier
    return replace(classifier, preprocessing=resizing)


def class_order(
    classifier: Classifier, class_names: Sequence[str]
) -> np.ndarray | None:
    """Return which of a model's classes each class of a data set is.

    Classes with the same names in another order are matched by their names, and
    ImageNet's by their WordNet ids where one side has these: TensorFlow Datasets'
    `imagenet_resized` has another order than `imagenet2012`. Where no name is the
    same, the order is taken to be the same, with a warning.

    Args:
        classifier: of the model, whose names may be unknown.
        class_names: of the data set, in the order of its labels.

    Returns:
        Integers `(K,)`; `None` for the same order.

    Raises:
        ValueError: if the classes differ in number, or some names are the same
            and others are not.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> classifier = Classifier.of(model, class_names=("cat", "dog"))
    >>> class_order(classifier, ("dog", "cat"))
    array([1, 0])
    """
    expected, received = classifier.class_names, tuple(class_names)
    if expected is not None:
        expected, received = _by_words(expected), _by_words(received)
    if len(received) != classifier.num_classes:
        raise ValueError(
            f"Expected data with the model's {classifier.num_classes} classes"
            f"{_some(expected)}. Received: data with {len(received)}{_some(received)}. "
            "A file of labels can say which classes are the same: "
            "keras-vit evaluate --labels, or keras_vit.evaluation.read_labels"
        )
    if expected is None or expected == received:
        return None
    shared = {*expected} & {*received}
    if not shared:
        LOG.warning(
            "The model and the data name no class alike, so their order is taken to be "
            "the same: %s of the model are taken for%s of the data",
            _some(expected).strip(),
            _some(received),
        )
        return None
    if shared != {*received} or len(shared) < len(received):
        only_model, only_data = (
            _some([name for name in names if name not in shared])
            for names in (expected, received)
        )
        raise ValueError(
            f"Expected data with the model's classes. Received: {len(shared)} classes "
            f"of the same names; others in the model alone{only_model}, or in the data "
            f"alone{only_data}. Give both the same names, such as by "
            "Classifier.of(model, class_names=...)"
        )
    LOG.info(
        "The data's classes are in another order than the model's: matched by name"
    )
    numbers = {name: number for number, name in enumerate(expected)}
    return np.array([numbers[name] for name in received])


def _by_words(names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, with the words of ImageNet's for their WordNet ids."""
    words = {one.wordnet_id: one.name for one in imagenet_classes()}
    return tuple(words.get(name, name) for name in names)


def _some(names: Sequence[str] | None) -> str:
    """The first few names, in brackets."""
    if not names:
        return ""
    more = ", ..." if len(names) > 3 else ""
    return f" ({', '.join(map(repr, names[:3]))}{more})"
