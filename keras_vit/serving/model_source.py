"""A model or a path -> the folder of the SavedModel to serve."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keras_vit.serving.folder import ModelFolder

if TYPE_CHECKING:
    import keras

    from keras_vit.classifier import Classifier

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def folder_of(
    model: keras.Model | Classifier | str | os.PathLike[str],
) -> Iterator[ModelFolder]:
    """Yield the folder that a model is served from.

    A SavedModel's own folder; any other model is exported to a temporary one,
    which is removed at the end.

    Args:
        model: the path of a SavedModel, of a run's folder or of a `.keras` file;
            a Keras model; or a `Classifier`.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        TypeError: for a model of another type.
        ValueError: if there is no model at the path, or one that cannot be
            exported.
    """
    if isinstance(model, str | os.PathLike):
        path = pathlib.Path(model).expanduser()
        run = (path / "model.keras").is_file() and not ModelFolder.is_one(path)
        if not run and path.suffix != ".keras":
            yield ModelFolder(path)
            return
        model = path
    # TensorFlow alone serves what is exported already.
    from keras_vit.classifier import Classifier
    from keras_vit.exporting import export
    from keras_vit.served_model import ServedModel

    classifier = Classifier.of(model)
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "serve takes a SavedModel by its path. Received: the Classifier of the "
            f"SavedModel {classifier.name!r}"
        )
    with tempfile.TemporaryDirectory(prefix="keras_vit_serving_") as place:
        LOG.info("exporting %s, which takes some seconds", classifier.name)
        folder = pathlib.Path(place) / classifier.name
        export(classifier, folder)
        LOG.info("exported %s to %s until the server stops", classifier.name, folder)
        yield ModelFolder(folder)
