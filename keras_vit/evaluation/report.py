"""An evaluation as files."""

import dataclasses
import json
import pathlib

from keras_vit import figures
from keras_vit.files import written_whole


def write_report(evaluation, class_names, folder):
    """Writes `evaluation.json` and `confusion_matrix.png` into a folder.

    Without a confusion matrix, of too many classes, without the picture.
    """
    folder, confusion = pathlib.Path(folder), evaluation.confusion
    numbers = dataclasses.asdict(evaluation) | {
        "class_names": list(class_names),
        "confusion": None if confusion is None else confusion.tolist(),
    }
    with written_whole(folder / "evaluation.json") as scratch:
        scratch.write_text(json.dumps(numbers) + "\n")
    if confusion is not None:
        figure = figures.confusion_matrix(confusion, class_names)
        figures.write(figure, folder / "confusion_matrix.png")
