"""Predictions as files: a table, a list, pictures with their labels."""

from __future__ import annotations

import csv
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras_vit.files import written_whole

if TYPE_CHECKING:
    from keras_vit.decoding import Decoding
    from keras_vit.prediction import Prediction

Writer = Callable[[Sequence["Prediction"], int, pathlib.Path], None]


def writer_of(path: str) -> Writer:
    """Return the function that writes the format of a path's suffix.

    Raises:
        ValueError: for another suffix, or a folder.
    """
    writer = WRITERS.get(pathlib.Path(path).suffix.lower())
    if writer is None or pathlib.Path(path).is_dir():
        raise ValueError(
            f"Expected a file that ends in {' or '.join(WRITERS)}. Received: {path}"
        )
    return writer


def write_csv(predictions: Sequence[Prediction], top: int, path: pathlib.Path) -> None:
    """Write a row for each image.

    Its columns are path, label and probability, then label_2, probability_2 and so
    on for the next classes, and error.
    """
    top = min(top, max((len(one.top(top)) for one in predictions), default=1) or 1)
    heads = ["path", "label", "probability"]
    heads += [f"{name}_{n}" for n in range(2, top + 1) for name in heads[1:]]
    with (
        written_whole(path) as scratch,
        open(
            scratch, "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file,
    ):
        rows = csv.writer(file)
        rows.writerow([*heads, "error"])
        for one in predictions:
            cells = [cell for pair in one.top(top) for cell in pair]
            cells += [""] * (2 * top - len(cells))
            rows.writerow([one.path, *cells, one.error or ""])


def write_json(predictions: Sequence[Prediction], top: int, path: pathlib.Path) -> None:
    """Write a list with an entry for each image.

    Its keys are path, label, probability, top (labels and probabilities) and error.
    """
    entries = [_entry(one, top) for one in predictions]
    with written_whole(path) as scratch:
        scratch.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def write_pictures(
    predictions: Sequence[Prediction],
    top: int,
    folder: str,
    decoding: Decoding,
    exif_orientation: bool,
) -> int:
    """Write each image with its labels above it, as a PNG file.

    Args:
        predictions: of image files.
        top: how many labels.
        folder: where the files go, named by the image's number and its own name.
        decoding: how samples of the files become pixels.
        exif_orientation: whether the camera's note on the orientation counts.

    Returns:
        How many were written; images that cannot be read are not.
    """
    from keras_vit.data.images import read_image
    from keras_vit.figures.drawing import write
    from keras_vit.figures.predictions import labelled_picture

    count = 0
    for number, one in enumerate(predictions, 1):
        if one.error is None and one.path is not None:
            lines = [f"{100 * share:.1f} %  {label}" for label, share in one.top(top)]
            image = read_image(one.path, exif_orientation, decoding)
            figure = labelled_picture(image, lines)
            write(figure, pathlib.Path(folder, f"{number:04d}_{one.path.stem}.png"))
            count += 1
    return count


def _entry(one: Prediction, top: int) -> dict[str, Any]:
    readable = one.error is None
    return {
        "path": str(one.path),
        "label": one.label,
        "probability": one.probability if readable else None,
        "top": [pair._asdict() for pair in one.top(top)] if readable else [],
        "error": one.error,
    }


WRITERS: dict[str, Writer] = {".csv": write_csv, ".json": write_json}
