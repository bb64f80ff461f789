"""What functions on a model's layers take as a model -> a Keras model."""

from __future__ import annotations

import os
import pathlib
from typing import Any, TypeAlias

import keras

from keras_vit.classifier import Classifier
from keras_vit.meaning import keeps_classes, meaning_of, set_meaning, with_outputs
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


def meant_as(
    source: ModelSource, model: keras.Model, *, with_names: bool = True
) -> keras.Model:
    """Return a model that was made of a source, and means what the source does.

    A `Classifier` can have other values than the layers of its model keep.

    Args:
        source: what the model was made of.
        model: a new model, which keeps what the layers of the source's model do.
        with_names: whether its classes are those of the source.

    Returns:
        The model itself, or one that ends in `layers.Outputs` where it has no
        layer that could keep names.
    """
    if not isinstance(source, Classifier):
        return model
    fields = ["preprocessing", "decoding"]
    if with_names:
        fields += ["class_names", "activation"]
    elif keeps_classes(model):
        fields += ["activation"]
    kept = meaning_of(model)
    changes: dict[str, Any] = {
        name: getattr(source, name)
        for name in fields
        if getattr(source, name) != getattr(kept, name)
    }
    if {"class_names", "activation"} & changes.keys():
        model = with_outputs(model)
    set_meaning(model, **changes)
    return model
