"""A SavedModel as it was exported, used as a Keras model is."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from keras_vit.decoding import OF_OLD_FILES, Decoding
from keras_vit.preprocessing import Preprocessing, resolve

PREPROCESSING = "preprocessing.json"  # in a SavedModel's assets
LABELS = "labels.txt"  # a name a line, in the order of the logits

Activation = Literal["softmax", "sigmoid"]


class Notes(NamedTuple):
    """What a SavedModel says of itself beside its graph.

    Attributes:
        preprocessing: how images become its size; `None`: unknown.
        decoding: how samples of image files become pixels.
        activation: what makes probabilities of its logits; `None`: unknown.
    """

    preprocessing: Preprocessing | None = None
    decoding: Decoding = OF_OLD_FILES
    activation: Activation | None = None


class ServedModel:
    """A SavedModel, used as a Keras model is: by its signature `pixels`.

    Args:
        path: of the folder of one version.

    Attributes:
        name: of the folder that holds its versions.
        input_shape: of its images, `(None, H, W, 3)`.
        output_shape: of its logits, `(None, K)`.
        class_names: in the order of the logits; `None`: unknown.
        preprocessing: how images become its size.
        decoding: how samples of image files become pixels.
        activation: what makes probabilities of its logits.

    Raises:
        ValueError: for a SavedModel that `export` did not write.
    """

    name: str
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing | None
    decoding: Decoding
    activation: Activation

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import tensorflow as tf

        self._loaded: Any = tf.saved_model.load(str(path))
        self._as_tensor = tf.convert_to_tensor
        self._serve = self._loaded.signatures.get("pixels")
        inputs = self._serve and self._serve.structured_input_signature[1].get("images")
        outputs = self._serve and self._serve.structured_outputs.get("logits")
        if inputs is None or outputs is None:
            raise ValueError(
                "Expected a SavedModel whose signature 'pixels' takes 'images' and "
                "gives 'logits', as export writes it; export once wrote others, whose "
                f"models have to be exported again. Received: {path}, with "
                f"{', '.join(self._loaded.signatures) or 'no signature'}"
            )
        self.input_shape, self.output_shape = tuple(inputs.shape), tuple(outputs.shape)
        self.preprocessing, self.decoding, activation = read_notes(path)
        self.activation = activation or self._activation_of_graph()
        self.class_names = read_labels(pathlib.Path(path) / "assets" / LABELS)
        self.name = pathlib.Path(path).resolve().parent.name

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """Return logits `(B, K)` of images `(B, H, W, 3)`."""
        return self._outputs(images)["logits"]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities `(B, K)` of images `(B, H, W, 3)`."""
        return self._outputs(images)["probabilities"]

    def signatures(self) -> tuple[str, ...]:
        """Return the names of its signatures."""
        return tuple(self._loaded.signatures)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Return features `(B, D)` of images `(B, H, W, 3)`, by that signature."""
        serve = self._loaded.signatures["features"]
        (values,) = serve(images=self._as_tensor(images, "float32")).values()
        return values.numpy()

    def _activation_of_graph(self) -> Activation:
        """Return what the graph itself makes probabilities with.

        Exports of earlier versions have no note of it.
        """
        height, width = (side or 1 for side in self.input_shape[1:3])
        grey = np.full((1, height, width, 3), 127.5, np.float32)
        outputs = self._outputs(grey)
        powers = np.exp(outputs["logits"] - outputs["logits"].max())
        softmax = powers / powers.sum()
        near = np.allclose(outputs["probabilities"], softmax, atol=1e-3)
        return "softmax" if near else "sigmoid"

    def _outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self._serve(images=self._as_tensor(images, "float32"))
        return {name: value.numpy() for name, value in outputs.items()}


def read_notes(path: str | os.PathLike[str]) -> Notes:
    """Return the `Notes` of a SavedModel.

    Args:
        path: of the folder of one version.
    """
    note = pathlib.Path(path) / "assets" / PREPROCESSING
    return notes_of(note.read_text(), str(note)) if note.is_file() else Notes()


def notes_of(text: str, name: str) -> Notes:
    """Return the `Notes` that a file `preprocessing.json` holds.

    Args:
        text: of the file.
        name: what errors call it.

    Raises:
        ValueError: for another activation, or fields of no preprocessing or decoding.
    """
    fields = json.loads(text)
    decoding = fields.pop("decoding", None)
    activation = fields.pop("activation", None)
    if activation not in (None, "softmax", "sigmoid"):
        raise ValueError(
            f"{name}: activation must be softmax or sigmoid. Received: {activation!r}"
        )
    return Notes(
        resolve(fields),
        Decoding(**decoding) if decoding else OF_OLD_FILES,
        cast("Activation | None", activation),
    )


def read_labels(path: pathlib.Path) -> tuple[str, ...] | None:
    """Return the names of classes in a file, one a line; `None` without the file."""
    return read_lines(path.read_text(encoding="utf-8")) if path.is_file() else None


def read_lines(text: str) -> tuple[str, ...]:
    """Return the names of classes that the text of a file `labels.txt` holds."""
    return tuple(text.splitlines())
