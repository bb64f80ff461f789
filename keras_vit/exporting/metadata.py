"""What an exported file says of itself: its classes, and how to resize for it."""

import json
import zipfile

from keras_vit.data.classes import check_lines
from keras_vit.model_files import LABELS, PREPROCESSING, preprocessing_note


def check_class_names(model, class_names):
    """Refuses names of classes that are not as many as the model's, or no lines.

    Args:
        model: a Keras model of images to logits `(B, K)`.
        class_names: K; `None` is none too many.

    Raises:
        ValueError: naming what is wrong.
    """
    if class_names is None:
        return
    classes = model.output_shape[-1]
    if len(class_names) != classes:
        raise ValueError(
            f"The model has {classes} classes. Received: {len(class_names)} class names"
        )
    check_lines(class_names)


def metadata_of(model, class_names):
    """The notes of a model by their files' names, as text."""
    notes = {PREPROCESSING: json.dumps(preprocessing_note(model))}
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
