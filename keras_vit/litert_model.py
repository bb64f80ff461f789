"""A .tflite file as it was exported, used as a Keras model is, without Keras."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from keras_vit.class_names import checked_names
from keras_vit.decoding import Decoding
from keras_vit.export_formats import EXTRA
from keras_vit.extras import install
from keras_vit.preprocessing import FIELDS, Preprocessing
from keras_vit.served_model import (
    LABELS,
    PREPROCESSING,
    Activation,
    notes_of,
    read_lines,
)

SUFFIX = ".tflite"
SIGNATURE = "serving_default"
OUTPUTS = ("logits", "probabilities")
NOTED = (*FIELDS, "decoding", "activation")  # in `PREPROCESSING`: nothing is guessed


class LiteRTModel:
    """A .tflite file, used as a Keras model is: by its signature `serving_default`.

    What its images and its outputs mean is written inside the file, and read from
    there alone. Neither Keras nor TensorFlow is imported.

    Args:
        path: of the file.

    Attributes:
        name: of the file, without its suffix.
        input_shape: of its images, `(None, H, W, 3)`; any number is taken.
        output_shape: of its logits, `(None, K)`.
        batch_size: of one call of its runtime.
        class_names: in the order of the logits; `None`: the file names none.
        preprocessing: how images become its size.
        decoding: how samples of image files become pixels.
        activation: what makes probabilities of its logits.

    Raises:
        ImportError: if LiteRT is not installed.
        ValueError: for a file that `export` did not write, or that is damaged.
    """

    name: str
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]
    batch_size: int
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing
    decoding: Decoding
    activation: Activation

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = pathlib.Path(path).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"No model at {path}: there is no such file.")
        if find_spec("ai_edge_litert") is None:
            raise ImportError(
                "A .tflite file needs a package that is not installed: ai_edge_litert. "
                f"Install it: {install(EXTRA)}"
            )
        notes = _notes(path)
        self._interpreter = _interpreter(path)
        signatures = self._interpreter.get_signature_list()
        names = signatures.get(SIGNATURE, {"inputs": [], "outputs": []})
        if names["inputs"] != ["images"] or {*names["outputs"]} != {*OUTPUTS}:
            raise _of_others(path, f"the signatures {signatures}")
        self._serve = self._interpreter.get_signature_runner(SIGNATURE)
        inputs = self._serve.get_input_details()["images"]
        outputs = self._serve.get_output_details()["logits"]
        self.batch_size, *sides = (int(side) for side in inputs["shape"])
        self.input_shape = (None, *sides)
        self.output_shape = (None, int(outputs["shape"][-1]))
        self._dtype = inputs["dtype"]
        self.name = path.name.removesuffix(SUFFIX)
        self._read_notes(path, notes)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of its images, pixels."""
        shape: Any = self.input_shape
        return shape[1], shape[2]

    @property
    def num_classes(self) -> int:
        """K, the number of logits."""
        shape: Any = self.output_shape
        return shape[-1]

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """Return logits `(B, K)` of images `(B, H, W, 3)`, for any B."""
        return self._outputs(images, "logits")

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities `(B, K)` of images `(B, H, W, 3)`, for any B."""
        return self._outputs(images, "probabilities")

    def _outputs(self, images: np.ndarray, name: str) -> np.ndarray:
        images = np.asarray(images, np.float32)
        if np.issubdtype(self._dtype, np.integer):
            images = np.rint(images)
        parts, size = [np.zeros((0, self.num_classes), np.float32)], self.batch_size
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            padded = np.zeros((size, *images.shape[1:]), self._dtype)
            padded[: len(batch)] = batch
            parts.append(np.array(self._serve(images=padded)[name])[: len(batch)])
        return np.concatenate(parts)

    def _read_notes(self, path: pathlib.Path, notes: Mapping[str, str]) -> None:
        """Read what is appended to the file, as `exporting.metadata` writes it."""
        read = notes_of(notes[PREPROCESSING], f"{path}, {PREPROCESSING}")
        assert read.preprocessing is not None and read.activation is not None
        self.preprocessing, self.decoding = read.preprocessing, read.decoding
        self.activation = read.activation
        names = read_lines(notes[LABELS]) if LABELS in notes else None
        try:
            self.class_names = checked_names(names, self.num_classes)
        except ValueError as error:
            raise ValueError(f"{path}, {LABELS}: {error}") from error


def _notes(path: pathlib.Path) -> dict[str, str]:
    """Return the text of what is appended to a file, by name.

    Raises:
        ValueError: for a file without all that `export` writes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            notes = {one: archive.read(one).decode() for one in archive.namelist()}
        fields = json.loads(notes[PREPROCESSING])
    except KeyError:
        raise _of_others(path, f"no {PREPROCESSING} in it") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise _of_others(path, f"none of its notes ({error})") from None
    absent = [one for one in NOTED if one not in fields]
    if absent:
        raise _of_others(path, f"{PREPROCESSING} without {', '.join(absent)}")
    return notes


def _interpreter(path: pathlib.Path) -> Any:
    """Return the file in its runtime, which writes no notices of its own."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        with _silent():
            interpreter = Interpreter(str(path), num_threads=os.cpu_count())
            interpreter.allocate_tensors()
            return interpreter
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be loaded by LiteRT: {reason}") from error


def _of_others(path: pathlib.Path, received: str) -> ValueError:
    return ValueError(
        "Expected a .tflite file as export writes it, which holds how its images are "
        f"read and resized. Received: {path}, with {received}. Export the model again"
    )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what libraries write to the error stream by themselves from it."""
    sys.stderr.flush()
    stream, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(stream, 2)
        os.close(stream)
        os.close(nothing)
