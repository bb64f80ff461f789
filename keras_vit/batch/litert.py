"""A LiteRT file, used as a Keras model is."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import zipfile
from typing import Any

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.served_model import LABELS, PREPROCESSING, read_labels, read_notes


class LiteRTModel:
    """A `.tflite` file as `export` writes it, by its signature `serving_default`.

    Args:
        path: of the file.

    Attributes:
        name: of the file.
        input_shape: of its images, `(None, H, W, 3)`; the file itself is of a
            fixed number of images, to which a batch is filled up.
        output_shape: of its logits, `(None, K)`.

    Raises:
        ImportError: without the runtime, of the extra `export`.
        ValueError: for a file that `export` did not write.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(
                f"A .tflite file needs LiteRT, which is not installed ({error}). "
                "Install it: pip install 'keras-vision-transformer[export]'"
            ) from error
        path = pathlib.Path(path)
        self.name = path.stem
        try:
            # Kept, as the runner does not keep it.
            self._interpreter = Interpreter(str(path), num_threads=os.cpu_count())
            self._serve: Any = self._interpreter.get_signature_runner("serving_default")
            self._input = self._serve.get_input_details()["images"]
            outputs = self._serve.get_output_details()
            logits, _ = outputs["logits"]["shape"], outputs["probabilities"]
        except (ValueError, KeyError) as error:
            raise ValueError(
                "Expected a .tflite file whose signature takes images and returns "
                f"logits and probabilities, as export writes it. Received: {path} "
                f"({error}). Export the model again"
            ) from error
        self.input_shape = (None, *map(int, self._input["shape"][1:]))
        self.output_shape = (None, int(logits[-1]))

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities `(B, K)` of images `(B, H, W, 3)`."""
        size, parts = int(self._input["shape"][0]), []
        if np.issubdtype(self._input["dtype"], np.integer):
            images = np.rint(images)
        images = np.asarray(images, self._input["dtype"])
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            missing = size - len(batch)
            padded = np.pad(batch, [(0, missing), (0, 0), (0, 0), (0, 0)])
            found = self._serve(images=padded)["probabilities"]
            parts.append(np.array(found)[: len(batch)])
        return np.concatenate(parts)


def litert_classifier(path: str | os.PathLike[str]) -> Classifier:
    """Return the classifier that a `.tflite` file is, by the notes appended to it.

    Raises:
        ImportError, ValueError: as `LiteRTModel`; ValueError for a file without
            notes on its preprocessing.
    """
    model: Any = LiteRTModel(path)
    with tempfile.TemporaryDirectory() as room:
        assets = pathlib.Path(room, "assets")
        try:
            with zipfile.ZipFile(path) as archive:
                for name in (PREPROCESSING, LABELS):
                    if name in archive.namelist():
                        archive.extract(name, assets)
        except zipfile.BadZipFile:
            pass  # refused below
        try:
            notes = read_notes(room)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: {PREPROCESSING} is damaged ({error})") from error
        names = read_labels(assets / LABELS)
    if notes.preprocessing is None or notes.activation is None:
        raise ValueError(
            f"Expected a .tflite file with {PREPROCESSING} appended, as export writes "
            f"it. Received: {path}, which has none. Export the model again"
        )
    return Classifier(
        model,
        class_names=names,
        activation=notes.activation,
        preprocessing=notes.preprocessing,
        decoding=notes.decoding,
        name=model.name,
    )
