"""What an exported file says of itself: its classes, and how to resize for it."""

import dataclasses
import json
import zipfile

from keras_vit.model_files import LABELS, PREPROCESSING
from keras_vit.preprocessing import carried_by


def metadata_of(model, class_names):
    """The notes of a model by their files' names, as text."""
    notes = {PREPROCESSING: json.dumps(dataclasses.asdict(carried_by(model)))}
    if class_names is not None:
        notes[LABELS] = "".join(f"{name}\n" for name in class_names)
    return notes


def append(path, notes):
    """Appends notes to a file as a zip archive, which its reader does not see.

    The way of TensorFlow Lite's associated files: `unzip model.tflite` and
    `zipfile.ZipFile` read them.
    """
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for name, text in notes.items():
            archive.writestr(name, text)
