"""One inspection: a model, and images for it."""

from __future__ import annotations

import functools
from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.inspect.cell import cell_size
from keras_vit.layers import PoolingConfig, TransformerBlock
from keras_vit.pooling import pooling_of

READERS = {  # a kind of pooling: what its map shows, of what is pooled
    "token": "of the class token",
    "gap": "of the mean of {pooled}",
    "map": "of the attention pooling",
    "max": "of the largest of {pooled} in each feature",
    "gap_max": "of the mean of {pooled}, and of the largest of them in each feature",
    "token_gap": "of the class token, and of the mean of {pooled}",
    "prefix_gap": "of the mean of class token and registers",
}


def counted(count: int) -> str:
    """Return a count of images in words.

    Example:

    >>> counted(1), counted(1200)
    ('1 image', '1,200 images')
    """
    return f"{count:,} images" if count > 1 else "1 image"


@dataclass(frozen=True)
class Inspection:
    """A model and images for it.

    Attributes:
        model: the Keras model whose layers are inspected.
        classifier: its name, its classes and its probabilities.
        images: `(B, height, width, 3)`, pixels in [0, 255], of its size.
        image_names: a line for each image.
        pictures: how many of the images are shown; averages are over all.
        other: another model, whose layers are compared with those of the first;
            `None`: the layers of the first are compared with each other.
        other_name: what that is called.
        rollout: choices of `rollout`, by name.
        source: where the images are from.
    """

    model: keras.Model
    classifier: Classifier
    images: np.ndarray
    _: KW_ONLY
    image_names: tuple[str, ...]
    pictures: int
    other: keras.Model | None
    other_name: str | None
    rollout: dict[str, Any]
    source: str = "given images"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.classifier.name

    @property
    def shown(self) -> np.ndarray:
        """The images that are shown."""
        return self.images[: self.pictures]

    @functools.cached_property
    def blocks(self) -> list[TransformerBlock]:
        """The model's blocks, in order; none of a model that is no ViT."""
        return [one for one in self.model.layers if isinstance(one, TransformerBlock)]

    @functools.cached_property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patches."""
        encoder: Any = self.model.get_layer("patch_encoder")
        return encoder.grid

    @functools.cached_property
    def cell(self) -> tuple[float, float]:
        """Height and width of a patch, in pixels."""
        return cell_size(self.model)

    @property
    def counted(self) -> str:
        """The count of images in words."""
        return counted(len(self.images))

    @property
    def reader(self) -> str:
        """What the head reads, in words that follow `attention`."""
        pool = pooling_of(self.model) or PoolingConfig()
        pooled = "all tokens" if pool.prefix_tokens else "the patches"
        return READERS[pool.kind].format(pooled=pooled)

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """The probability of each class, for each picture shown: `(pictures, K)`."""
        return self.classifier.probabilities(self.shown)

    @functools.cached_property
    def predicted(self) -> np.ndarray:
        """The likeliest class of each picture that is shown: `(pictures,)`."""
        return np.argmax(self.probabilities, axis=-1)

    def class_name(self, number: int) -> str:
        """Return the name of a class."""
        names = self.classifier.class_names
        return names[number] if names else f"class {number}"
