"""`keras-vit inspect`."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from keras_vit.choices import FIGURES, HEAD_FUSIONS, MODELS, NETWORK_PREFIXES
from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag, with_flag
from keras_vit.cli.flag_types import (
    AT_LEAST_1,
    ExistingMany,
    Folder,
    Number,
    Path,
    Word,
    Words,
)
from keras_vit.cli.model_flag import FACTORY, NETWORK, TRAINED, Model, check_weights

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.inspect.images import ReadImages

SUMMARY = "Look inside a trained model: attention, positions, filters, layers."
USAGE = "--model=MODEL [--images=PATH,...] [--what=NAME,...]"
REQUIRED = ("model",)
PICTURES = 8
DEFAULT = "fashion_mnist_sample"  # where neither flags nor run name a data set
TAKEN = Model(TRAINED, FACTORY, NETWORK)
MOST_DISCARDED = 0.999
CALLS = "report"
FLAGS = {
    "model": Flag(TAKEN),
    "weights": Flag(Path(), "Of a factory: a release's name, or a file."),
    "images": Flag(
        ExistingMany("images or folders"), "Image files and folders to look at."
    ),
    **dataset_flags.of_dataset(
        "Whose test images to look at without --images; the run's own if not given",
        reader="predict",
    ),
    "what": Flag(
        Words("figure", [*FIGURES, "all"]),
        f"What to look at: {', '.join(FIGURES)}; all if not given.",
        None,
    ),
    "folder": Flag(
        Folder(),
        "Where report.html and figures go; inspections/<model's name> if not given.",
    ),
    "limit": Flag(
        AT_LEAST_1,
        f"The most images to average over; {PICTURES} of them are shown.",
        128,
    ),
    "compare": Flag(TAKEN, "Another model, whose layers cka compares."),
    "fusion": Flag(Word("fusion", HEAD_FUSIONS)),
    "discard": Flag(Number(0, MOST_DISCARDED)),
    "residual": Flag(),
}


def check(values: flags.FlagValues) -> None:
    """Refuse flags that do not go together."""
    dataset_flags.check(values)
    what = values.what or []
    if values.compare and what and not {"cka", "all"} & {*what}:
        raise ValueError(
            "--compare goes with --what=cka, which compares the layers of two models. "
            f"Received: --what={','.join(what)}"
        )
    if values.weights is None:
        return
    if values.model not in MODELS and not values.model.startswith(NETWORK_PREFIXES):
        raise ValueError(
            "--weights go with a factory's name. Expected one of "
            f"{', '.join(MODELS)}. Received: --model={values.model}"
        )
    with_flag("weights", check_weights, values.model, values.weights)


def run(values: flags.FlagValues) -> int:
    """Draw the figures, print a line for each, and return the exit status."""
    from keras_vit.inspect.inspection import counted
    from keras_vit.inspect.inspection_report import report

    model, name = _opened(values.model, values.weights)
    other, other_name = None, None
    if values.compare is not None:
        other, other_name = _opened(values.compare)
    found = _images(values, model)
    folder = pathlib.Path(values.folder or f"inspections/{model.name}")
    written = report(
        model,
        found.pixels,
        folder,
        values.what or "all",
        image_names=found.names,
        class_names=model.class_names or found.class_names,
        source=found.source,
        pictures=PICTURES,
        name=name,
        other=other,
        other_name=other_name,
        fusion=values.fusion,
        discard=values.discard,
        residual=values.residual,
    )
    print(f"{name}, {counted(len(found.pixels))}: {found.source}")
    for key, description in written.figures.items():
        print(f"  {key:<10} {description}")
    for key, why in written.skipped.items():
        print(f"  {key:<10} skipped: {why}")
    print(f"  files      {folder}/ (report.html, inspection.json; png, svg and npz)")
    return 0


def _opened(source: str, weights: str | None = None) -> "tuple[Classifier, str]":
    """Return the model that a flag names, and its name on the page."""
    from keras_vit.classifier import Classifier
    from keras_vit.factories import FACTORIES, find
    from keras_vit.weights import find_checkpoint

    factory = find(source)
    if factory is None:
        classifier = Classifier.of(source)
        return classifier, classifier.name
    args, names = {}, None
    if weights is not None and source not in FACTORIES:
        args = {"weights": weights, "num_classes": None}
    elif weights is not None:
        checkpoint = find_checkpoint(source, weights)
        names = checkpoint.class_names
        args = {"weights": weights, "num_classes": checkpoint.num_classes}
    classifier = Classifier.of(factory(**args), class_names=names)
    title = f"{source} ({pathlib.Path(weights).name if weights else 'random weights'})"
    return dataclasses.replace(classifier, name=source), title


def _images(values: flags.FlagValues, classifier: "Classifier") -> "ReadImages":
    """Return the images, their names, where they are from, and class names."""
    from keras_vit.inspect import read_images

    if values.images:
        changes = dataset_flags.decoding(values)
        return read_images(
            classifier,
            values.images,
            values.limit,
            exif_orientation=values.exif_orientation,
            decoding=dataclasses.replace(classifier.decoding, **changes),
        )
    advice = "Name images: --images or --dataset."
    dataset = dataset_flags.opened(values, classifier, DEFAULT, advice)
    assert dataset is not None  # as there is a default
    found = read_images(classifier, dataset, values.limit)
    alike = classifier.num_classes == dataset.num_classes
    return found if alike else found._replace(class_names=None)
