"""`keras-vit export`."""

import contextlib
import pathlib

from absl import flags

from keras_vit.cli import dataset_flags

SUMMARY = "Writes a trained model for TensorFlow Serving, LiteRT, ONNX and OpenVINO."
USAGE = "--model=MODEL [--format=FORMAT] [--quantize=SCHEME]"
REQUIRED = ("model",)
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    from keras_vit.exporting.export import FORMATS
    from keras_vit.exporting.litert import SCHEMES

    options = {"flag_values": values}
    flags.DEFINE_string("model", None, "A run's folder or a .keras file.", **options)
    flags.DEFINE_enum(
        "format",
        "saved_model",
        [*FORMATS, "all"],
        "What to write; all: every format and quantisation, with a table.",
        **options,
    )
    flags.DEFINE_enum(
        "quantize",
        "none",
        list(SCHEMES),
        "How a .tflite file is quantised; int8 is calibrated on training images.",
        **options,
    )
    flags.DEFINE_enum(
        "pixels",
        "float32",
        ["float32", "uint8"],
        "The dtype of a .tflite file's images.",
        **options,
    )
    flags.DEFINE_integer(
        "batch_size",
        1,
        "Of a .tflite file, which takes no other.",
        lower_bound=1,
        **options,
    )
    flags.DEFINE_boolean(
        "xla", False, "Whether XLA compiles the model in a SavedModel.", **options
    )
    dataset_flags.define(
        values,
        "Whose test images to compare on, and whose training images int8 is calibrated "
        "on; the run's own if not given",
    )
    flags.DEFINE_string(
        "folder",
        None,
        "Where files, and versions of a SavedModel, go; savedmodels/<model's name> if "
        "not given.",
        **options,
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.exporting import export
    from keras_vit.exporting.export import FORMATS, read_report
    from keras_vit.exporting.int8 import AccuracyLostError
    from keras_vit.exporting.report import origin_row, table
    from keras_vit.model_files import ServedModel, load_classifier, name_of

    classifier = load_classifier(values.model)
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "A SavedModel is exported already. Name a run's folder or a .keras file. "
            f"Received: {values.model!r}"
        )
    name = name_of(values.model)
    folder = pathlib.Path(values.folder or pathlib.Path("savedmodels") / name)
    dataset = _dataset(values)
    if dataset is None:
        print("No images to compare on: --dataset names some. Noise has to do.")
        images = {}
    else:
        images = {"split": dataset.test, "source": f"{dataset.name}, test"}
    written = []
    for format, options in _wanted(values, classifier.model, dataset):
        suffix = FORMATS[format].suffix
        scheme = options.get("quantize", "none")
        stem = name if scheme == "none" else f"{name}-{scheme}"
        path = folder / f"{stem}{suffix}" if suffix else folder
        options = images | options
        try:
            path = export(
                classifier.model, path, format, classifier.class_names, **options
            )
        except AccuracyLostError as error:
            if values.format != "all":
                raise
            print(f"Not written: {path}. {error}")
            continue
        written.append(path)
        print(f"Written and checked: {path}{'/' if path.is_dir() else ''}")
    reports = [read_report(path) for path in written]
    print()
    print(table(reports, origin_row(classifier.model, reports[0])))
    return 0


def _wanted(values, model, dataset):
    """The formats to write, each with its options."""
    from keras_vit.exporting import int8
    from keras_vit.exporting.export import FORMATS
    from keras_vit.exporting.litert import SCHEMES

    calibration = dataset and dataset.train
    given = {
        "xla": values.xla,
        "quantize": values.quantize,
        "pixels": values.pixels,
        "batch_size": values.batch_size,
    }
    if values.quantize == "int8":
        given["calibration"] = calibration
    if values.format != "all":
        return [(values.format, given)]
    wanted = []
    for format in FORMATS:
        options = {
            name: given[name] for name in FORMATS[format].options if name in given
        }
        for scheme in SCHEMES if format == "tflite" else [None]:
            if scheme is not None:
                options = options | {"quantize": scheme}
            if scheme == "int8":
                options = options | {"calibration": calibration}
                try:
                    int8.check(model, calibration)
                except ValueError as error:
                    print(f"No int8: {error}")
                    continue
            wanted.append((format, options))
    return wanted


def _dataset(values):
    """The data set to compare on: the one named, or that of the model's own run."""
    from keras_vit.data import load
    from keras_vit.training.folder import CONFIG, read_config

    name, config = values.dataset, pathlib.Path(values.model) / CONFIG
    if name is None and config.is_file():
        with contextlib.suppress(ValueError):  # data that were given in Python
            name = read_config(config)[0].dataset
    return name and load(name, **dataset_flags.arguments(values))
