"""`keras-vit inspect`."""

import pathlib

from absl import flags

from keras_vit.choices import FIGURES, HEAD_FUSIONS, KERAS_PREFIX, MODELS
from keras_vit.cli import dataset_flags, flag_types, model_flag
from keras_vit.cli.model_flag import FACTORY, NETWORK, TRAINED

SUMMARY = "Looks inside a trained model: attention, positions, filters, layers."
USAGE = "--model=MODEL [--images=PATH,...] [--what=NAME,...]"
REQUIRED = ("model",)
TAKES_PATHS = False
PICTURES = 8
TAKEN = (FACTORY, NETWORK, TRAINED)
MOST_DISCARDED = 0.999


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    model_flag.define(
        values, "model", "A run's folder, a .keras file or a factory's name.", TAKEN
    )
    flag_types.path(values, "weights", "Of a factory: a release's name, or a file.")
    flag_types.existing_many(
        values, "images", "Image files and folders to look at.", "images or folders"
    )
    dataset_flags.define(
        values,
        "Whose test images to look at without --images; the run's own if not given",
        unless="as the model was trained",
    )
    flag_types.words(
        values,
        "what",
        f"What to look at: {', '.join(FIGURES)}; all if not given.",
        [*FIGURES, "all"],
        "figure",
    )
    flag_types.folder(
        values,
        "folder",
        "Where report.html and figures go; inspections/<model's name> if not given.",
    )
    flag_types.whole(
        values,
        "limit",
        f"The most images to average over; {PICTURES} of them are shown.",
        128,
        least=1,
    )
    model_flag.define(
        values, "compare", "Another model, whose layers cka compares.", TAKEN
    )
    flag_types.word(values, "fusion", "Of heads in the rollout.", HEAD_FUSIONS, "mean")
    flag_types.number(
        values,
        "discard",
        "The share of attention that a rollout leaves out, below 1.",
        0.0,
        least=0,
        most=MOST_DISCARDED,
    )
    flag_types.boolean(
        values, "residual", "Whether a rollout counts residual connections.", True
    )


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
    if values.model not in MODELS and not values.model.startswith(KERAS_PREFIX):
        raise ValueError(
            "--weights go with a factory's name. Expected one of "
            f"{', '.join(MODELS)}. Received: --model={values.model}"
        )
    flag_types.with_flag(
        "weights", model_flag.check_weights, values.model, values.weights
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.inspect.facts import counted
    from keras_vit.inspect.inspection_report import figure_names, report
    from keras_vit.model_files import name_of

    what = figure_names(values.what or "all")
    if values.compare and "cka" not in what:
        raise ValueError(
            "--compare goes with --what=cka, which compares the layers of two models. "
            f"Received: --what={','.join(what)}"
        )
    classifier = _load(values.model, values.weights)
    other = values.compare and _load(values.compare).model
    images, names, source, class_names = _images(values, classifier.model)
    name = _called(values.model, values.weights)
    folder = pathlib.Path(values.folder or f"inspections/{name_of(values.model)}")
    written = report(
        classifier.model,
        images,
        folder,
        what,
        image_names=names,
        class_names=classifier.class_names or class_names,
        source=source,
        pictures=PICTURES,
        name=name,
        other=other,
        other_name=values.compare and _called(values.compare),
        fusion=values.fusion,
        discard=values.discard,
        residual=values.residual,
    )
    print(f"{name}, {counted(len(images))}: {source}")
    for key, description in written.figures.items():
        print(f"  {key:<10} {description}")
    for key, why in written.skipped.items():
        print(f"  {key:<10} skipped: {why}")
    print(f"  files      {folder}/ (report.html, inspection.json; png, svg and npz)")
    return 0


def _called(model, weights=None):
    """What a model is called; a factory's by its weights, too."""
    from keras_vit.factories import find
    from keras_vit.model_files import name_of

    if find(model) is None:
        return name_of(model)
    return f"{model} ({pathlib.Path(weights).name if weights else 'random weights'})"


def _load(model, weights=None):
    """The model that a flag names, and its classes' names."""
    from keras_vit.classifier import Classifier
    from keras_vit.factories import FACTORIES, find
    from keras_vit.model_files import ServedModel, load_classifier
    from keras_vit.weights import find_checkpoint

    factory = find(model)
    if factory is not None:
        arguments, names = {}, None
        if weights is not None and model not in FACTORIES:
            arguments = {"weights": weights, "num_classes": None}
        elif weights is not None:
            checkpoint = find_checkpoint(model, weights)
            names = checkpoint.class_names
            arguments = {"weights": weights, "num_classes": checkpoint.num_classes}
        return Classifier.of(factory(**arguments), class_names=names)
    if weights is not None:
        raise ValueError(
            "--weights go with a factory's name. Expected one of "
            f"{', '.join(FACTORIES)}. Received: --model={model}"
        )
    try:
        classifier = load_classifier(model)
    except FileNotFoundError as error:
        names = ", ".join(FACTORIES)
        raise FileNotFoundError(f"{error} Nor is that one of {names}.") from error
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "A SavedModel cannot be inspected: it holds a graph, without layers. Name "
            f"a run's folder, a .keras file or a factory. Received: {model!r}"
        )
    return classifier


def _images(values, model):
    """Images, their names, where they are from, and their classes' names."""
    from keras_vit.data import load
    from keras_vit.decoding import changed_decoding
    from keras_vit.inspect import read_images

    if values.images:
        return read_images(
            model,
            values.images,
            values.limit,
            exif_orientation=values.exif_orientation,
            decoding=changed_decoding(model, dataset_flags.decoding(values)),
        )
    name, arguments = _dataset(values, model)
    dataset = load(name, **arguments)
    found = read_images(model, dataset, values.limit)
    alike = model.output_shape[-1] == dataset.num_classes
    return found if alike else found._replace(class_names=None)


def _dataset(values, model):
    """The name of the data set to look at, and what `load` takes beside it."""
    from keras_vit.decoding import decoding_of
    from keras_vit.factories import find

    options = {"decoding": decoding_of(model)}
    run = None if find(values.model) is not None else values.model
    try:
        return dataset_flags.chosen(values, run, "fashion_mnist_sample", **options)
    except ValueError as error:
        raise ValueError(f"{error} Name images: --images or --dataset.") from error
