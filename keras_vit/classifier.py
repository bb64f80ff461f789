"""A classifier: a model, and what its images and its outputs mean."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from keras_vit.class_names import checked_names
from keras_vit.decoding import Decoding
from keras_vit.layers.outputs import PROBABILITIES
from keras_vit.logits import logits_model
from keras_vit.meaning import meaning_of, set_meaning, with_outputs
from keras_vit.model_files import (
    check_shapes,
    load_model,
    name_of,
    names_beside,
    save_model,
)
from keras_vit.preprocessing import Preprocessing
from keras_vit.served_model import ServedModel

Source: TypeAlias = "keras.Model | ServedModel | Classifier | str | os.PathLike[str]"


@dataclass(frozen=True)
class Classifier:
    """A model and what it means, read once where a public function is entered.

    Attributes:
        model: from images `(B, H, W, 3)` to float32 logits `(B, K)`.
        class_names: K names in the order of the logits; `None`: unknown.
        activation: what makes probabilities of logits.
        preprocessing: how images become the model's size.
        decoding: how samples of image files become pixels.
        name: of the run or file that it was read from, or of the model.
    """

    model: keras.Model | ServedModel
    _: KW_ONLY
    class_names: tuple[str, ...] | None
    activation: Literal["softmax", "sigmoid"]
    preprocessing: Preprocessing
    decoding: Decoding
    name: str

    def __post_init__(self) -> None:
        if self.class_names is not None:
            checked_names(self.class_names, self.num_classes)

    @classmethod
    def of(
        cls, source: Source, *, class_names: Sequence[str] | None = None
    ) -> Classifier:
        """Return the classifier that a model, or the path of a saved one, is.

        Args:
            source: a Keras model of logits or of probabilities (see
                `keras_vit.logits.logits_model`); the path of a run's folder, a
                `.keras` file or a SavedModel; or a `Classifier`.
            class_names: in the order of the outputs, instead of the model's own.

        Raises:
            FileNotFoundError: if there is nothing at the path.
            TypeError: for what is none of these.
            ValueError: for names that are not as many as the classes, or a model that
                is not from images of a known size to one output `(B, K)`.

        Example:

        >>> classifier = Classifier.of(keras_vit.ViT_Ti16(num_classes=2, image_size=32))
        >>> classifier.num_classes, classifier.activation
        (2, 'softmax')
        """
        if isinstance(source, Classifier):
            return source if class_names is None else source.with_names(class_names)
        path = None
        if isinstance(source, (str, os.PathLike)):
            path = pathlib.Path(source).expanduser()
            source = load_model(path)
        if not isinstance(source, (keras.Model, ServedModel)):
            raise TypeError(
                "Expected a Keras model, or the path of a run's folder, a .keras file "
                f"or a SavedModel. Received: {type(source).__name__}"
            )
        if path is None and isinstance(source, keras.Model):
            check_shapes(source, repr(source.name))
        model = logits_model(source)
        meaning = meaning_of(model)
        if path is not None and class_names is None and meaning.class_names is None:
            class_names = names_beside(path, source)
        classifier = cls(
            model=model,
            class_names=meaning.class_names,
            activation=meaning.activation,
            preprocessing=meaning.preprocessing,
            decoding=meaning.decoding,
            name=source.name if path is None else name_of(path),
        )
        return classifier if class_names is None else classifier.with_names(class_names)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the model's images, pixels."""
        shape: Any = self.model.input_shape
        return shape[1], shape[2]

    @property
    def num_classes(self) -> int:
        """K, the number of logits."""
        shape: Any = self.model.output_shape
        return shape[-1]

    def with_names(self, class_names: Sequence[str]) -> Classifier:
        """Return the same classifier with other names of classes.

        Of a model that was made of one output, one name stands for both classes.

        Raises:
            ValueError: if they are not as many as the classes.
        """
        units = self.num_classes
        if units == 2 and len(class_names) == 1 and _is_of_one_output(self.model):
            units = 1
        return replace(self, class_names=checked_names(class_names, units))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities `(B, K)` of images `(B, H, W, 3)`, by the activation."""
        if isinstance(self.model, ServedModel):
            return self.model.probabilities(images)
        logits = np.asarray(self.model.predict_on_batch(images), np.float32)
        return np.asarray(PROBABILITIES[self.activation](logits))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.keras` file of the model and what it means.

        What the model's own layers keep is replaced by this classifier's values.

        Args:
            path: of the `.keras` file.

        Raises:
            TypeError: for a SavedModel, which holds no Keras model.
            ValueError: for a model without `layers.PixelNormalization` and a
                preprocessing or decoding that is not the default.

        Example:

        >>> renamed = Classifier.of("a.keras", class_names=names)  # doctest: +SKIP
        >>> renamed.save("b.keras")  # doctest: +SKIP
        """
        if isinstance(self.model, ServedModel):
            raise TypeError(
                "Expected a classifier of a Keras model. Received: one of a SavedModel "
                f"({self.name!r}), which cannot be written as a .keras file"
            )
        model = with_outputs(self.model)
        set_meaning(model, class_names=self.class_names, activation=self.activation)
        if self.preprocessing != meaning_of(model).preprocessing:
            set_meaning(model, preprocessing=self.preprocessing)
        set_meaning(model, decoding=self.decoding)
        save_model(model, path)


def _is_of_one_output(model: keras.Model | ServedModel) -> bool:
    """Whether a model of two logits was made of one of a single output."""
    layers = getattr(model, "layers", ())
    return any(getattr(layer, "binary", False) is True for layer in layers)
