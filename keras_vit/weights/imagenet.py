"""The classes of ImageNet (ILSVRC 2012), in the order of published heads."""

from __future__ import annotations

import functools
import numbers
import pathlib
from typing import Any, NamedTuple

import keras
import numpy as np

TABLE = pathlib.Path(__file__).parent / "imagenet_1k" / "classes.tsv"
NUM_CLASSES = 1000


class ImageNetClass(NamedTuple):
    """One of the 1,000 classes.

    Attributes:
        wordnet_id: of its synset in WordNet 3.0, such as `"n02123045"`.
        name: the first word that WordNet has for it, such as `"tabby"`.
    """

    wordnet_id: str
    name: str


@functools.cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """Return the 1,000 classes of ImageNet, in the order of published heads.

    The order is that of the WordNet ids. Words are those of WordNet 3.0, Copyright
    2006 by Princeton University, whose licence lies beside the table, in
    `keras_vit/weights/imagenet_1k/LICENSE`. No two classes have the same name.

    Example:

    >>> imagenet_classes()[281]
    ImageNetClass(wordnet_id='n02123045', name='tabby')
    """
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return tuple(ImageNetClass(*line.split("\t")) for line in lines)


def decode_predictions(logits: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Name the likeliest of ImageNet's classes, as `keras.applications` does.

    Args:
        logits: `(B, 1000)`, an array or a tensor, such as a model with weights
            `"augreg_in21k_in1k"` returns. Rows of probabilities, of which none is
            negative and whose sum is 1, are taken as they are.
        top: how many classes to name.

    Returns:
        For each image a list of `(wordnet_id, name, probability)`, the likeliest
        class first. Names have spaces where Keras's have underscores.

    Raises:
        ValueError: for another shape, numbers that are not finite, or a `top` that
            is not in 1 to 1,000.

    Example:

    >>> logits = np.zeros((1, 1000), np.float32)
    >>> logits[0, 281] = 9.0
    >>> decode_predictions(logits, top=1)[0][0][:2]
    ('n02123045', 'tabby')
    """
    values = np.asarray(keras.ops.convert_to_numpy(logits), np.float64)
    if values.ndim != 2 or values.shape[1] != NUM_CLASSES:
        advice = (
            "add an axis for the batch: logits[np.newaxis]"
            if values.shape == (NUM_CLASSES,)
            else "name other classes by keras_vit.predict(model, images), which uses "
            "those of the model"
        )
        raise ValueError(
            f"decode_predictions expects logits of shape (batch, {NUM_CLASSES}), of a "
            f"model of ImageNet's classes. Received: shape {values.shape}; {advice}"
        )
    if not isinstance(top, numbers.Integral) or not 1 <= top <= NUM_CLASSES:
        raise ValueError(
            f"top must be a number of classes from 1 to {NUM_CLASSES}. "
            f"Received: top={top!r}"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "decode_predictions expects finite logits. Received: NaN or infinity in "
            f"{int((~np.isfinite(values)).any(1).sum())} of {len(values)} rows"
        )
    classes = imagenet_classes()
    return [
        [
            (*classes[index], float(row[index]))
            for index in np.argsort(-row, kind="stable")[:top]
        ]
        for row in map(_probabilities, values)
    ]


def _probabilities(row: np.ndarray) -> np.ndarray:
    if (row >= 0).all() and abs(row.sum() - 1) < 1e-3:
        return row
    powers = np.exp(row - row.max())
    return powers / powers.sum()
