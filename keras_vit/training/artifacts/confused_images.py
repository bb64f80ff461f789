"""Images that a trained model predicts as another class, and where it attends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_vit import figures
from keras_vit.data.evaluation import evaluation_batches
from keras_vit.data.inspection.reading import thumbnail
from keras_vit.data.splits import Split
from keras_vit.inspect.blocks import blocks_of
from keras_vit.inspect.cell import cell_size
from keras_vit.inspect.inspector import without_retracing_warnings
from keras_vit.inspect.rollouts import attention_rollout
from keras_vit.meaning import meaning_of

if TYPE_CHECKING:
    import keras

    from keras_vit.data.labelled import Labelled
    from keras_vit.evaluation.mistakes import Mistakes

MOST_PAIRS, MOST_IMAGES = 5, 3  # that are shown, of a pair
SIDE = 160  # pixels of an image that is shown, at most


@dataclass(frozen=True)
class ConfusedImage:
    """An image that is predicted as another class.

    Attributes:
        name: what people find it by.
        pixels: as the model sees it, uint8 `(h, w, 3)`.
        attention: the same in grey, under the rollout of the model's attention;
            `None` of a model without attention.
    """

    name: str
    pixels: np.ndarray
    attention: np.ndarray | None


@dataclass(frozen=True)
class ConfusedPair:
    """Images of one class that are predicted as another one.

    Attributes:
        label: number of their class.
        predicted: number of the class that is predicted.
        count: how many there are.
        images: some of them, the most confident mistakes first.
    """

    label: int
    predicted: int
    count: int
    images: tuple[ConfusedImage, ...]


def confused_pairs(
    model: keras.Model, split: Labelled, mistakes: Mistakes
) -> list[ConfusedPair]:
    """Return the classes that are confused most often, with images of them.

    Args:
        model: whose mistakes they are.
        split: that was evaluated.
        mistakes: among the images of the split.
    """
    found = []
    with without_retracing_warnings():
        for label, predicted, count in mistakes.pairs(MOST_PAIRS):
            indices = mistakes.of_pair(label, predicted, MOST_IMAGES)
            images = tuple(_image(model, split, index) for index in indices)
            found.append(ConfusedPair(label, predicted, count, images))
    return found


def _image(model: keras.Model, split: Labelled, index: int) -> ConfusedImage:
    """Return an image with its attention; one at a time, to save memory."""
    height, width = model.input_shape[1:3]
    [(pixels, labels, _)] = evaluation_batches(
        split.subset(np.array([index])),
        1,
        (height, width),
        meaning_of(model).preprocessing,
    )
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    shown = thumbnail(Split(pixels, labels), 0, SIDE)
    attention = None
    if _has_attention(model):
        scale = shown.shape[0] / height
        down, right = cell_size(model)
        attention = figures.map_over_picture(
            shown,
            attention_rollout(model, pixels.astype(np.float32))[0],
            (scale * down, scale * right),
        )
    return ConfusedImage(split.name(index), shown, attention)


def _has_attention(model: keras.Model) -> bool:
    """Return whether a rollout can be computed: of a ViT that merges no tokens."""
    try:
        return bool(blocks_of(model))
    except ValueError:
        return False
