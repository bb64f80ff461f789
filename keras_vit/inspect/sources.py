"""What the functions of inspection take as a model -> a Keras model."""

from __future__ import annotations

import os
from typing import TypeAlias

import keras

from keras_vit.classifier import Classifier

ModelSource: TypeAlias = "keras.Model | Classifier | str | os.PathLike[str]"


def inspected_model(source: ModelSource) -> keras.Model:
    """Return the Keras model whose layers are inspected.

    Args:
        source: a Keras model, which is returned itself, whatever it ends in; a
            `Classifier`; or the path of a run's folder or a `.keras` file.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        TypeError: for what is none of these.
        ValueError: for a SavedModel.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    >>> inspected_model(model) is model
    True
    """
    return opened(source)[0]


def opened(source: ModelSource) -> tuple[keras.Model, keras.Model | Classifier]:
    """Return the Keras model, and a `Classifier` if one was made of the source.

    A Keras model is returned twice: what it means is read where it is needed.

    Raises:
        FileNotFoundError, TypeError, ValueError: as `inspected_model`.
    """
    if isinstance(source, keras.Model):
        return source, source
    classifier = Classifier.of(source)
    if not isinstance(classifier.model, keras.Model):
        raise ValueError(
            "A SavedModel cannot be inspected: it holds a graph, without layers. "
            "Expected a Keras model, or the path of a run's folder or a .keras file. "
            f"Received: {classifier.name!r}, a SavedModel. Pass the model that it was "
            "exported from"
        )
    return classifier.model, classifier
