"""`keras-vit predict`."""

import dataclasses
import pathlib
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from absl import flags

from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag, with_flag
from keras_vit.cli.flag_types import AT_LEAST_1, Folder, Path, check_paths
from keras_vit.cli.model_flag import LITERT, SERVED, TRAINED, Model, kind_of
from keras_vit.cli.predictions import write_pictures, writer_of
from keras_vit.equal_files import equal_file

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.litert_model import LiteRTModel

SUMMARY = "Classify image files."
USAGE = "--model=MODEL [--output=FILE] IMAGE_OR_FOLDER ..."
UNREADABLE = 1
REQUIRED = ("model",)
TAKES_PATHS = True
CALLS = "predict"
FLAGS = {
    "model": Flag(
        Model(TRAINED, SERVED, LITERT),
        "A run's folder, a .keras file, a SavedModel, or a .tflite file, which answers "
        "without loading Keras; so does a run beside its exported .tflite file.",
    ),
    "preprocessing": dataset_flags.PREPROCESSING,
    "top": Flag(AT_LEAST_1, default=3, of="run.top"),
    "batch_size": Flag(AT_LEAST_1),
    "output": Flag(
        Path(),
        "A file for the predictions: .csv, a row for each image; or .json, a list with "
        "an entry for each.",
    ),
    "save_pictures": Flag(
        Folder(), "A folder for the images with their labels above them."
    ),
    "exif_orientation": Flag(),
    **dataset_flags.of_decoding(),
}


def check(values: flags.FlagValues, paths: list[str]) -> None:
    """Refuse images that are not there, and an output of another format.

    A .tflite file that is proven equal to the model takes its place from here on.
    """
    if not paths:
        raise ValueError(
            "no images. Expected image files or folders after the flags, as in "
            "keras-vit predict --model=MODEL photo.jpg"
        )
    check_paths(paths, "image files or folders")
    if values.output is not None:
        with_flag("output", writer_of, values.output)
    equal = equal_file(values.model) if find_spec("ai_edge_litert") else None
    if equal is not None:
        print(f"  answered by  {equal}, whose logits equal the model's")
        values.model = str(equal)


def needs_keras(values: flags.FlagValues) -> bool:
    """Return whether the model is no .tflite file."""
    return kind_of(pathlib.Path(values.model)) != LITERT


def run(values: flags.FlagValues, paths: list[str]) -> int:
    """Print a line for each image, write the files, and return the exit status."""
    from keras_vit.prediction import iter_predictions

    changes = dataset_flags.decoding(values)
    classifier = _classifier(values)
    found = []
    for one in iter_predictions(
        classifier,
        paths,
        batch_size=values.batch_size,
        preprocessing=values.preprocessing,
        exif_orientation=values.exif_orientation,
        **changes,
    ):
        found.append(one)
        if one.error:
            print(f"keras-vit predict: {one.error}", file=sys.stderr)
            continue
        labels = (f"{label} {100 * p:.1f} %" for label, p in one.top(values.top))
        print(f"{one.path}: {', '.join(labels)}")
    if values.output is not None:
        writer_of(values.output)(found, values.top, pathlib.Path(values.output))
        print(f"  predictions  {values.output} ({len(found):,} images)")
    if values.save_pictures is not None:
        decoding = dataclasses.replace(classifier.decoding, **changes)
        how = (values.save_pictures, decoding, values.exif_orientation)
        count = write_pictures(found, values.top, *how)
        print(f"  pictures     {values.save_pictures}/ ({count:,} files)")
    return UNREADABLE if any(one.error for one in found) else 0


def _classifier(values: flags.FlagValues) -> "Classifier | LiteRTModel":
    if needs_keras(values):
        from keras_vit.classifier import Classifier

        return Classifier.of(values.model)
    from keras_vit.litert_model import LiteRTModel

    return LiteRTModel(values.model)
