"""What an exported file says of itself: its classes, and how to resize for it."""

import dataclasses
import json
import pathlib
import zipfile
from collections.abc import Mapping

from keras_vit.classifier import Classifier
from keras_vit.served_model import LABELS, PREPROCESSING


def metadata_of(classifier: Classifier) -> dict[str, str]:
    """Return the notes of a classifier as text, by their files' names.

    `preprocessing.json` has the fields of its `Preprocessing`, those of its
    `Decoding` under `"decoding"`, and its `"activation"`; `labels.txt` the names
    of its classes, one a line, if there are any.
    `keras_vit.served_model.read_notes` reads them.
    """
    fields = dataclasses.asdict(classifier.preprocessing) | {
        "decoding": classifier.decoding.as_json(),
        "activation": classifier.activation,
    }
    notes = {PREPROCESSING: json.dumps(fields) + "\n"}
    if classifier.class_names is not None:
        notes[LABELS] = "".join(f"{name}\n" for name in classifier.class_names)
    return notes


def append(path: pathlib.Path, notes: Mapping[str, str]) -> None:
    """Append notes to a file as a zip archive, which its reader does not see.

    The way of TensorFlow Lite's associated files: `unzip model.tflite` and
    `zipfile.ZipFile` read them.
    """
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for name, text in notes.items():
            archive.writestr(name, text)
