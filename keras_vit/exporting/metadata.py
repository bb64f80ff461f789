"""What an exported file says of itself: its classes, and how to resize for it."""

import json
import pathlib
import zipfile
from collections.abc import Mapping

from keras_vit.classifier import Classifier
from keras_vit.served_model import LABELS, PREPROCESSING, note_of


def metadata_of(classifier: Classifier) -> dict[str, str]:
    """Return the notes of a classifier as text, by their files' names.

    `preprocessing.json` has the fields of its `Preprocessing`, those of its
    `Decoding` under `"decoding"`, and its `"activation"`; `labels.txt` the names
    of its classes, one a line, if there are any.
    """
    note = note_of(classifier.preprocessing, classifier.decoding, classifier.activation)
    notes = {PREPROCESSING: json.dumps(note) + "\n"}
    if classifier.class_names is not None:
        notes[LABELS] = "".join(f"{name}\n" for name in classifier.class_names)
    return notes


def write_notes(folder: pathlib.Path, notes: Mapping[str, str]) -> None:
    """Write notes as files of a folder, which is made if need be."""
    folder.mkdir(exist_ok=True)
    for name, text in notes.items():
        (folder / name).write_text(text, encoding="utf-8")


def append(path: pathlib.Path, notes: Mapping[str, str]) -> None:
    """Append notes to a file as a zip archive, which its reader does not see.

    The way of TensorFlow Lite's associated files: `unzip model.tflite` and
    `zipfile.ZipFile` read them.
    """
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for name, text in notes.items():
            archive.writestr(name, text)
