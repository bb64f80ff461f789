"""A classifier on disk.

A `.keras` file holds all that its model means (see `keras_vit.meaning`), so that
it can be copied, renamed and kept beside others. Files of earlier versions have
the names of their classes in `labels.txt` beside them, which is read for a model
that holds none itself, and only if it can be no other model's.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import pathlib
import warnings
import zipfile
from collections.abc import Sequence
from typing import Any

import keras

from keras_vit import layers as layers  # Keras finds a file's layers once they exist
from keras_vit.class_names import checked_names
from keras_vit.equal_files import keras_file
from keras_vit.files import written_whole
from keras_vit.meaning import set_meaning, with_outputs
from keras_vit.served_model import LABELS as LABELS
from keras_vit.served_model import PREPROCESSING as PREPROCESSING
from keras_vit.served_model import ServedModel, read_labels
from keras_vit.served_model import read_notes as read_notes

LOG = logging.getLogger(__name__)


def save_model(
    model: keras.Model,
    path: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
    *,
    activation: str | None = None,
) -> None:
    """Write a `.keras` file that holds what the model means, whole or not at all.

    The model keeps the names and the activation from then on. A model from
    elsewhere, whose layers have no place for them, is written with one more
    layer, `keras_vit.layers.Outputs`, and returns the same outputs.

    Args:
        model: a Keras model of a logit or probability for each class, or of
            features.
        path: of the `.keras` file.
        class_names: in the order of the outputs; `None`: those that the model
            keeps, if any.
        activation: what makes probabilities of logits, `"softmax"` or
            `"sigmoid"`; `None`: what the model keeps.

    Raises:
        ValueError: for names that are not as many as the outputs.
        OSError: if the file cannot be written.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> save_model(model, "pets.keras", ("cat", "dog"))  # doctest: +SKIP
    """
    meaning = {}
    if class_names is not None:
        meaning["class_names"] = checked_names(class_names, model.output_shape[-1])
    if activation is not None:
        meaning["activation"] = activation
    if meaning:
        model = with_outputs(model)
        set_meaning(model, **meaning)
    with written_whole(pathlib.Path(path).expanduser()) as scratch:
        model.save(scratch)
        keras.models.load_model(scratch)


def write_labels(path: pathlib.Path, class_names: Sequence[str]) -> None:
    """Write the names of classes, one a line."""
    path.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")


def load_model(path: str | os.PathLike[str]) -> keras.Model | ServedModel:
    """Load what `train`, `save_model` and `export` write, as it was saved.

    Args:
        path: of a run's folder, a `.keras` file, or a SavedModel: the folder
            of one version or that of all, of which the newest counts.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if what is there is none of these.
    """
    path = pathlib.Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"No model at {path}: there is no such file or folder.")
    file = keras_file(path)
    if file is not None:
        return _load_keras(file)
    versions = [int(p.name) for p in path.glob("[0-9]*") if p.name.isdigit()]
    if versions:
        path = path / str(max(versions))
    if (path / "saved_model.pb").is_file():
        return ServedModel(path)
    raise ValueError(
        f"No model at {path}. Expected a run's folder with model.keras, a .keras file, "
        "or a SavedModel."
    )


def image_size_of(path: str | os.PathLike[str]) -> tuple[int | None, int | None]:
    """Return the size of the images of a saved model, without loading it.

    Args:
        path: of a run's folder or of a `.keras` file.

    Returns:
        (height, width) in pixels; `None` for what the file does not tell.
    """
    inputs = [one for one in _layers_in(path) if one["class_name"] == "InputLayer"]
    try:
        _, height, width, _ = inputs[0]["config"]["batch_shape"]
    except (KeyError, IndexError, TypeError, ValueError):
        return None, None
    return height, width


def saved_precision(path: str | os.PathLike[str]) -> str | None:
    """Return the dtype policy in which a saved model computes, without loading it.

    Args:
        path: of a run's folder or of a `.keras` file.

    Returns:
        Its name, of single layers aside; `None` if the file does not tell.
    """
    policies = [one["config"].get("dtype") for one in _layers_in(path)]
    names = [one["config"]["name"] for one in policies if isinstance(one, dict)]
    reduced = [name for name in names if name != "float32"]
    return reduced[0] if reduced else ("float32" if names else None)


def saved_arguments(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the arguments that a saved model was built with, without loading it.

    Args:
        path: of a run's folder or of a `.keras` file.

    Returns:
        Them by name, as `KerasVitModel.arguments` has them; empty for a file that does
        not tell.
    """
    kept = (one["config"].get("arguments") for one in _layers_in(path))
    return next((one for one in kept if isinstance(one, dict)), {})


def _layers_in(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the layers of a `.keras` file as it has them, or none."""
    file = keras_file(path)
    if file is None:
        return []
    try:
        with zipfile.ZipFile(file) as archive:
            parts = json.loads(archive.read("config.json"))["config"]["layers"]
        return [one for one in parts if {"class_name", "config"} <= one.keys()]
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return []  # of a model of another kind, or none: loading it says so


def name_of(path: str | os.PathLike[str]) -> str:
    """Return what a saved model is called: its run, or the folder of its versions."""
    path = pathlib.Path(path).resolve()
    if path.name == "model.keras" or path.name.isdigit():
        return path.parent.name
    return path.name.removesuffix(".keras")


def _load_keras(path: pathlib.Path) -> keras.Model:
    try:
        model: Any = keras.models.load_model(path)
    except Exception as error:  # of zip, JSON, HDF5 and Keras: all mean the same
        raise ValueError(f"{path} cannot be loaded: {error}") from error
    check_shapes(model, str(path))
    return model


def check_shapes(model: keras.Model, name: str) -> None:
    """Refuse a model that is not from images of a known size to outputs of classes.

    Raises:
        ValueError: naming the shapes that it has.
    """
    inputs, outputs = (
        [tuple(one.shape) for one in getattr(model, which, None) or ()]
        for which in ("inputs", "outputs")
    )
    of_images = [
        len(one) == 4 and None not in one[1:] and one[3] == 3 for one in inputs
    ]
    if of_images == [True] and [len(one) for one in outputs] == [2]:
        return
    shapes = "no shapes yet: begin it with keras.Input(shape)"
    if inputs:
        shapes = f"from {_shown(inputs)} to {_shown(outputs)}"
    raise ValueError(
        "Expected a model from images (None, height, width, 3) of a known size to "
        f"outputs (None, classes). Received: {name}, {shapes}"
    )


def _shown(shapes: list[tuple[int | None, ...]]) -> str:
    return " and ".join(map(str, shapes))


def names_beside(
    path: str | os.PathLike[str], model: keras.Model | ServedModel
) -> tuple[str, ...] | None:
    """Return the names that an earlier version wrote beside a model, if they are its.

    That version wrote one `labels.txt` for all models of a folder. Where it could
    be another model's, a warning says so.

    Args:
        path: as `load_model` takes it.
        model: what was loaded from there, which keeps no names itself.
    """
    file = keras_file(path)
    names = None if file is None else read_labels(file.parent / LABELS)
    if file is None or names is None:
        return None
    count = len(list(file.parent.glob("*.keras")))
    if count > 1:
        problem = f"the folder holds {count} models, of which it may be any's"
    else:
        shape: Any = model.output_shape
        try:
            return checked_names(names, shape[-1])
        except ValueError as error:
            problem = str(error)
    LOG.warning(
        "%s is not read for %s, which holds no names of classes: %s. To name them, "
        "save the model again by keras_vit.Classifier.of(path, class_names=...).save("
        "path)",
        file.parent / LABELS,
        file.name,
        problem,
    )
    return None


def __getattr__(name: str) -> Any:
    """`Classifier` and its loading were here before they got a module of their own."""
    if name not in ("Classifier", "load_classifier"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    classifier = importlib.import_module("keras_vit.classifier").Classifier
    new = "Classifier" if name == "Classifier" else "Classifier.of"
    warnings.warn(
        f"{__name__}.{name} is keras_vit.{new} now; the old name goes with the next "
        "version",
        DeprecationWarning,
        stacklevel=2,
    )
    return classifier if name == "Classifier" else classifier.of
