"""`keras-vit inspect`."""

import pathlib

from absl import flags

from keras_vit.cli import dataset_flags

SUMMARY = "Looks inside a trained model: attention, positions, filters, layers."
USAGE = "--model=MODEL [--images=PATH,...] [--what=NAME,...]"
REQUIRED = ("model",)
TAKES_PATHS = False
PICTURES = 8


def define(values):
    """Defines the flags."""
    from keras_vit.inspect.figure_specs import FIGURE_SPECS
    from keras_vit.inspect.rollouts import FUSIONS

    options = {"flag_values": values}
    flags.DEFINE_string(
        "model", None, "A run's folder, a .keras file or a factory's name.", **options
    )
    flags.DEFINE_string(
        "weights", None, "Of a factory: a release's name, or a file.", **options
    )
    flags.DEFINE_list("images", None, "Image files and folders to look at.", **options)
    dataset_flags.define(
        values,
        "Whose test images to look at without --images; the run's own if not given",
        unless="as the model was trained",
    )
    flags.DEFINE_list(
        "what",
        None,
        f"What to look at: {', '.join(FIGURE_SPECS)}; all if not given.",
        **options,
    )
    flags.DEFINE_string(
        "folder",
        None,
        "Where report.html and figures go; inspections/<model's name> if not given.",
        **options,
    )
    flags.DEFINE_integer(
        "limit",
        128,
        f"The most images to average over; {PICTURES} of them are shown.",
        lower_bound=1,
        **options,
    )
    flags.DEFINE_string(
        "compare", None, "Another model, whose layers cka compares.", **options
    )
    flags.DEFINE_enum("fusion", "mean", FUSIONS, "Of heads in the rollout.", **options)
    flags.DEFINE_float(
        "discard", 0.0, "The share of attention that a rollout leaves out.", **options
    )
    flags.DEFINE_boolean(
        "residual", True, "Whether a rollout counts residual connections.", **options
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
