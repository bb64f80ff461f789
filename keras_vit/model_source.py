"""What functions on a model's layers take as a model -> a Keras model."""

from __future__ import annotations

import os
import pathlib
from typing import TypeAlias

import keras

from keras_vit.classifier import Classifier
from keras_vit.meaning import keeps_classes, meaning_of, set_meaning
from keras_vit.model_files import load_model, names_beside

ModelSource: TypeAlias = "keras.Model | Classifier | str | os.PathLike[str]"


def keras_model(source: ModelSource, action: str = "changed") -> keras.Model:
    """Return the Keras model whose layers are read or changed.

    Args:
        source: a Keras model, which is returned itself, whatever it ends in; a
            `Classifier`; or the path of a run's folder or a `.keras` file.
        action: what is done with it, as the message names it.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        TypeError: for what is none of these.
        ValueError: for a SavedModel, which has no layers.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    >>> keras_model(model) is model
    True
    """
    if isinstance(source, keras.Model):
        return source
    if isinstance(source, (str, os.PathLike)):
        path = pathlib.Path(source).expanduser()
        model = load_model(path)
        if keeps_classes(model) and meaning_of(model).class_names is None:
            set_meaning(model, class_names=names_beside(path, model))
    else:
        model = Classifier.of(source).model
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"A SavedModel cannot be {action}: it holds a graph, without layers. "
            "Expected a Keras model, or the path of a run's folder or a .keras file. "
            f"Received: {source if isinstance(source, str) else model.name!r}, a "
            "SavedModel. Pass the model that it was exported from"
        )
    return model
