"""A classifier: a model, and what its images and its outputs mean."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import keras
import numpy as np

from keras_vit.decoding import Decoding, decoding_of
from keras_vit.layers.head import PROBABILITIES, probabilities_of
from keras_vit.logits import class_names_for, logits_model
from keras_vit.model_files import ServedModel, load_classifier, name_of
from keras_vit.preprocessing import Preprocessing, carried_by

if TYPE_CHECKING:
    Source = keras.Model | ServedModel | "Classifier" | str | os.PathLike[str]


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
    class_names: tuple[str, ...] | None
    activation: Literal["softmax", "sigmoid"]
    preprocessing: Preprocessing
    decoding: Decoding
    name: str

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
            ValueError: for names that are not as many as the classes.

        Example:

        >>> classifier = Classifier.of(keras_vit.ViT_Ti16(num_classes=2, image_size=32))
        >>> classifier.num_classes, classifier.activation
        (2, 'softmax')
        """
        if isinstance(source, Classifier):
            return source if class_names is None else source.with_names(class_names)
        name, own = None, None
        if isinstance(source, (str, os.PathLike)):
            path = pathlib.Path(source).expanduser()
            loaded = load_classifier(path)
            source, own, name = loaded.model, loaded.class_names, name_of(path)
        if not isinstance(source, (keras.Model, ServedModel)):
            raise TypeError(
                "Expected a Keras model, or the path of a run's folder, a .keras file "
                f"or a SavedModel. Received: {type(source).__name__}"
            )
        model = logits_model(source)
        classifier = cls(
            model=model,
            class_names=class_names_for(model, own),
            activation=probabilities_of(model),
            preprocessing=carried_by(model),
            decoding=decoding_of(model),
            name=name or getattr(model, "name", "model"),
        )
        return classifier if class_names is None else classifier.with_names(class_names)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the model's images, pixels."""
        return tuple(self.model.input_shape[1:3])

    @property
    def num_classes(self) -> int:
        """K, the number of logits."""
        return self.model.output_shape[-1]

    def with_names(self, class_names: Sequence[str]) -> Classifier:
        """Return the same classifier with other names of classes.

        Raises:
            ValueError: if they are not as many as the classes.
        """
        names = class_names_for(self.model, class_names)
        if len(names) != self.num_classes:
            raise ValueError(
                f"Expected {self.num_classes} class names, one for each of the model's "
                f"outputs. Received: {len(names)}"
            )
        return replace(self, class_names=names)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities `(B, K)` of images `(B, H, W, 3)`, by the activation."""
        if isinstance(self.model, ServedModel):
            return self.model.probabilities(images)
        logits = np.asarray(self.model.predict_on_batch(images), np.float32)
        return keras.ops.convert_to_numpy(PROBABILITIES[self.activation](logits))
