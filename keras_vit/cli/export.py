"""`keras-vit export`."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit.cli import dataset_flags, flag_types, model_flag
from keras_vit.cli.model_flag import TRAINED
from keras_vit.export_formats import FORMATS, PIXELS, PLACES, SCHEMES, schemes_here

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.data import Dataset
    from keras_vit.exporting.report import Report

SUMMARY = "Write a trained model for TensorFlow Serving, LiteRT, ONNX and OpenVINO."
USAGE = "--model=MODEL [--format=FORMAT] [--quantize=SCHEME]"
REQUIRED = ("model",)
TAKES_PATHS = False


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    model_flag.define(values, "model", "A run's folder or a .keras file.", (TRAINED,))
    flag_types.word(
        values,
        "format",
        f"What to write, one of {', '.join(FORMATS)}; all: every format and "
        "quantisation, with a table.",
        [*FORMATS, "all"],
        "saved_model",
    )
    flag_types.word(
        values,
        "for",
        "Find the format and the quantisation that answer one image fastest there and "
        f"keep the accuracy, by measuring on this machine: {', '.join(PLACES)}.",
        PLACES,
    )
    flag_types.word(
        values,
        "quantize",
        f"How a file is quantised: {', '.join(SCHEMES)}; .tflite has them all, .onnx "
        "dynamic, .xml int8. int8 is calibrated on training images, and judged on test "
        "images.",
        SCHEMES,
        "none",
    )
    flag_types.word(
        values,
        "pixels",
        f"The dtype of a .tflite file's images: {' or '.join(PIXELS)}.",
        PIXELS,
        "float32",
    )
    flag_types.whole(
        values, "batch_size", "Of a .tflite file, which takes no other.", 1, least=1
    )
    flag_types.number(
        values,
        "temperature",
        "What logits are divided by; keras-vit evaluate --what=calibration finds it.",
        1.0,
    )
    flag_types.whole(
        values,
        "token_merging",
        "Tokens fewer after each block of a ViT: faster, for a little accuracy, as the "
        "table says beside the model that merges none.",
        0,
        least=0,
    )
    flag_types.whole(
        values, "top", "How many classes a SavedModel names for an image.", 5, least=1
    )
    flag_types.boolean(values, "xla", "Whether XLA compiles the model in a SavedModel.")
    dataset_flags.define(
        values,
        "Whose test images to compare on, and whose training images int8 is calibrated "
        "on; the run's own if not given",
        unless="as the model was trained",
    )
    flag_types.folder(
        values,
        "folder",
        "Where files, and versions of a SavedModel, go; savedmodels/<model's name> if "
        "not given.",
    )


def check(values: flags.FlagValues) -> None:
    """Refuse flags that do not go together."""
    dataset_flags.check(values)
    if values.format == "all" and values["quantize"].present:
        raise ValueError(
            "--format=all writes every quantisation. Expected no --quantize beside it. "
            f"Received: --quantize={values.quantize}. Leave it out"
        )
    decided = [name for name in ("format", "quantize") if values[name].present]
    if values["for"].value and decided:
        raise ValueError(
            f"--for={values['for'].value} finds format and quantisation by measuring. "
            f"Expected no --{decided[0]} beside it. Leave it out"
        )
    if not values.temperature > 0:
        raise ValueError(
            f"--temperature: Expected a number above 0. Received: {values.temperature}"
        )


def run(values: flags.FlagValues) -> int:
    """Write the formats, print what was measured, and return the exit status."""
    from keras_vit.classifier import Classifier
    from keras_vit.evaluation.temperature import scaled
    from keras_vit.exporting import export
    from keras_vit.exporting.report import origin_row, read_report, table
    from keras_vit.weights import merge_tokens

    classifier, made_of = Classifier.of(values.model), None
    dataset, notes = _dataset(values, classifier)
    name, model = classifier.name, classifier.model
    if values.temperature != 1:
        model = scaled(model, values.temperature)
    if values.token_merging:
        model, made_of = merge_tokens(model, values.token_merging), model
    classifier = dataclasses.replace(classifier, model=model)
    folder = pathlib.Path(values.folder or pathlib.Path("savedmodels") / name)
    compared = {"made_of": made_of}
    if dataset is not None:
        compared |= {"split": dataset.test, "source": f"{dataset.name}, test"}
    # By its path, so that the report can say of which file it is.
    unchanged = values.temperature == 1 and not values.token_merging
    exported = values.model if unchanged else classifier
    written, refused = [], 0
    if values["for"].value:
        compared |= {"calibration": dataset and dataset.train}
        path = export(exported, folder / name, for_=values["for"].value, **compared)
        print(*notes, sep="\n", end="\n" if notes else "")
        print(f"Written and checked: {path}\n\n{_fastest_of(read_report(path))}")
        return 0
    for format, options in _wanted(values, dataset):
        suffix, scheme = FORMATS[format].suffix, options.get("quantize", "none")
        stem = name if scheme == "none" else f"{name}-{scheme}"
        path = folder / f"{stem}{suffix}" if suffix else folder
        try:
            path = export(exported, path, format, **options, **compared)
        except (ValueError, ImportError, RuntimeError) as error:
            if values.format != "all":
                raise
            print(f"Not written: {path}. {' '.join(str(error).split())}")
            refused += 1
            continue
        if not written:  # a refusal stands alone
            print(*notes, sep="\n", end="\n" if notes else "")
        written.append(path)
        print(f"Written and checked: {path}{'/' if path.is_dir() else ''}")
        _print_notes(read_report(path))
    if written:
        reports = [read_report(path) for path in written]
        print()
        print(table(reports, origin_row(made_of or model, reports[0])))
    return 1 if refused else 0


def _fastest_of(report: "Report") -> str:
    """Return the table of what a file was chosen from."""
    from keras_vit.exporting.fastest import table

    return table(report.chosen_from)


def _print_notes(report: "Report | None") -> None:
    """Print what the precision depends on, and by which images int8 was judged."""
    if report is None:
        return
    from keras_vit.exporting.modes import lines_of

    print(*(f"  {line}\n" for line in lines_of(report.modes)), sep="", end="")
    if report.gate:
        gate = report.gate
        print(
            f"  int8: ranges of {gate['calibration_images']:,} training images; judged "
            f"on {gate['images']:,} images ({gate['source']}): "
            f"{100 * gate['agreement']:.2f} % agree, "
            f"{100 * gate['least_agreement']:g} % asked for"
        )


def _wanted(
    values: flags.FlagValues, dataset: "Dataset | None"
) -> list[tuple[Any, dict[str, Any]]]:
    """Return the formats to write, each with its options."""
    args = {
        "top": values.top,
        "xla": values.xla,
        "quantize": values.quantize,
        "pixels": values.pixels,
        "batch_size": values.batch_size,
    }
    wanted = [(values.format, args)]
    if values.format == "all":
        wanted = []
        for format, row in FORMATS.items():
            options = {name: args[name] for name in row.options if name in args}
            if "quantize" not in options:
                wanted.append((format, options))
                continue
            for scheme in ("none", *schemes_here(format)):
                wanted.append((format, options | {"quantize": scheme}))
    calibration = {"calibration": dataset and dataset.train}
    return [
        (
            format,
            options | calibration if options.get("quantize") == "int8" else options,
        )
        for format, options in wanted
    ]


def _dataset(
    values: flags.FlagValues, classifier: "Classifier"
) -> "tuple[Dataset | None, list[str]]":
    """Return the data set to compare on, and lines on why there is none.

    It is the one named, or that of the model's own run.
    """
    from keras_vit.data import load

    notes = ["Compared on noise and gradients: --dataset names a data set."]
    try:
        name, arguments = dataset_flags.chosen(
            values, values.model, decoding=classifier.decoding
        )
        return (load(name, **arguments), []) if name else (None, notes)
    except (ValueError, OSError) as error:  # args in Python, or gone
        if values.dataset is not None:
            raise
        return None, [f"The run's own data set cannot be had: {error}", *notes]
