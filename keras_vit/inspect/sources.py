"""What the functions of inspection take as a model -> a Keras model."""

from __future__ import annotations

import dataclasses

import keras

from keras_vit.classifier import Classifier
from keras_vit.model_files import name_of
from keras_vit.model_source import ModelSource, keras_model


def inspected_model(source: ModelSource) -> keras.Model:
    """Return the Keras model whose layers are inspected.

    Raises:
        FileNotFoundError, TypeError, ValueError: as `keras_model`.
    """
    return keras_model(source, "inspected")


def opened(source: ModelSource) -> tuple[keras.Model, keras.Model | Classifier]:
    """Return the Keras model, and a `Classifier` if the source is no Keras model.

    A Keras model is returned twice: what it means is read where it is needed.

    Raises:
        FileNotFoundError, TypeError, ValueError: as `keras_model`.
    """
    model = inspected_model(source)
    if isinstance(source, (keras.Model, Classifier)):
        return model, source
    return model, dataclasses.replace(Classifier.of(model), name=name_of(source))
