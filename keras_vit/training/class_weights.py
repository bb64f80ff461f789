"""The weight of each class in the loss, for classes of different sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.data.classes import few
from keras_vit.data.order import one_class_each
from keras_vit.suggestions import did_you_mean

if TYPE_CHECKING:
    from keras_vit.data.labelled import Labelled

BALANCED = "balanced"


def class_weights(
    weights: str | Mapping[str, float], split: Labelled, class_names: Sequence[str]
) -> np.ndarray:
    """Return the factor of the loss of each class's images.

    Args:
        weights: `"balanced"`: N / (C n) for a class of n images, as
            `sklearn.utils.class_weight` has it, of N images and the C classes that
            have any, so that all classes count alike and the mean over the images
            is 1. Or factors by the names of classes, such as `{"cat": 2.0}`;
            others have 1.
        split: N training images, each of one class.
        class_names: in the order of the labels, K of them.

    Returns:
        float32 `(K,)`; 1 for a class without images.

    Raises:
        TypeError: for anything but such a word or a dict of numbers.
        ValueError: for another word, an unknown class, a factor that is negative or
            not finite, factors that are all 0, or multi-label images.

    Example:

    >>> split = data.Split(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 0, 0, 1]))
    >>> class_weights("balanced", split, ["cat", "dog"])
    array([0.6666667, 2.       ], dtype=float32)
    >>> class_weights({"dog": 3}, split, ["cat", "dog"])
    array([1., 3.], dtype=float32)
    """
    check_class_weights(weights)
    classes = one_class_each(split, f"class_weights={_as_text(weights)}")
    if isinstance(weights, str):
        counts = np.bincount(classes, minlength=len(class_names))
        shown = counts > 0
        factors = np.ones(len(class_names))
        factors[shown] = len(classes) / (shown.sum() * counts[shown])
        return factors.astype(np.float32)
    unknown = [name for name in weights if name not in class_names]
    if unknown:
        raise ValueError(
            "class_weights must name classes of the data set, here "
            f"{few(map(repr, class_names))}. Received: {few(map(repr, unknown))}."
            f"{did_you_mean(unknown[0], class_names)}"
        )
    factors = np.array([weights.get(name, 1.0) for name in class_names], np.float32)
    if not factors[np.unique(classes)].any():
        raise ValueError(
            "class_weights must leave a class whose images count. Received: 0 for "
            "every class that has training images"
        )
    return factors


def check_class_weights(weights: Any) -> None:
    """Refuse what cannot be the weights of any data set's classes.

    Args:
        weights: as `class_weights` takes them.

    Raises:
        TypeError, ValueError: as `class_weights` does.
    """
    expected = "class_weights must be 'balanced' or a dict of numbers by class name"
    if isinstance(weights, str):
        if weights != BALANCED:
            raise ValueError(
                f"{expected}, such as cat:2.0. Received: class_weights={weights!r}"
            )
        return
    if not isinstance(weights, Mapping):
        raise TypeError(f"{expected}. Received: {type(weights).__qualname__}")
    for name, factor in weights.items():
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise TypeError(f"{expected}. Received: {factor!r} for {name!r}")
        if not 0 <= factor < float("inf"):
            raise ValueError(
                "class_weights must be finite numbers, at least 0. "
                f"Received: {factor} for {name!r}"
            )


def _as_text(weights: str | Mapping[str, float]) -> str:
    if isinstance(weights, str):
        return weights
    return ",".join(f"{name}:{factor:g}" for name, factor in weights.items())
