"""`keras-vit export`."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag, arguments
from keras_vit.cli.flag_types import AT_LEAST_1, Folder, Number, Whole, Word
from keras_vit.cli.model_flag import TRAINED, Model
from keras_vit.export_formats import DEFAULTS, FORMATS, schemes_here

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.data import Dataset
    from keras_vit.exporting.report import Report

SUMMARY = "Write a trained model for TensorFlow Serving, LiteRT, ONNX and OpenVINO."
USAGE = "--model=MODEL [--format=FORMAT] [--quantize=SCHEME]"
REQUIRED = ("model",)
CALLS = "export"
FLAGS = {
    "model": Flag(Model(TRAINED)),
    "format": Flag(
        Word("format", [*FORMATS, "all"]),
        f"What to write, one of {', '.join(FORMATS)}; all: every format and "
        "quantisation, with a table.",
    ),
    "for": Flag(
        None,
        "cpu: find the format and the quantisation that answer one image fastest there "
        "and keep the accuracy, by measuring on this machine.",
        of="for_",
    ),
    "quantize": Flag(),
    "pixels": Flag(),
    "batch_size": Flag(AT_LEAST_1),
    "temperature": Flag(
        Number(),
        "What logits are divided by; keras-vit evaluate --what=calibration finds it.",
        1.0,
    ),
    "token_merging": Flag(
        Whole(0),
        "Tokens fewer after each block of a ViT: faster, for a little accuracy, as the "
        "table says beside the model that merges none.",
        0,
    ),
    "top": Flag(AT_LEAST_1),
    "xla": Flag(),
    **dataset_flags.of_dataset(
        "Whose test images to compare on, and whose training images int8 is calibrated "
        "on; the run's own if not given",
        reader="predict",
    ),
    "folder": Flag(
        Folder(),
        "Where files, and versions of a SavedModel, go; savedmodels/<model's name> if "
        "not given.",
    ),
}


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
    from keras_vit.exporting import export
    from keras_vit.exporting.report import origin_row, read_report, table

    original = Classifier.of(values.model)
    dataset, notes = _dataset(values, original)
    classifier, made_of = _changed(original, values.temperature, values.token_merging)
    # By its path, so that the report can say of which file it is.
    exported = values.model if classifier is original else classifier
    name, model = classifier.name, classifier.model
    folder = pathlib.Path(values.folder or pathlib.Path("savedmodels") / name)
    compared, training = {"made_of": made_of}, dataset and dataset.train
    if dataset is not None:
        compared |= {"split": dataset.test, "source": f"{dataset.name}, test"}
    if values["for"].value:
        compared |= {"calibration": training, "for_": values["for"].value}
        path = export(exported, folder / name, **compared)
        print(*notes, f"Written and checked: {path}\n", sep="\n")
        print(_fastest_of(read_report(path)))
        return 0
    reports, refused = [], 0
    for format, options in _wanted(values):
        suffix, scheme = FORMATS[format].suffix, options["quantize"]
        if scheme == "int8":
            options |= {"calibration": training}
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
        said = f"Written and checked: {path}{'/' if path.is_dir() else ''}"
        print(*([] if reports else notes), said, sep="\n")  # a refusal stands alone
        reports.append(read_report(path))
        _print_notes(reports[-1])
    if reports:
        origin: Any = made_of or model
        print(f"\n{table(reports, origin_row(origin, reports[0]))}")
    return 1 if refused else 0


def _changed(
    classifier: "Classifier", temperature: float, merged: int
) -> "tuple[Classifier, Any]":
    """Return a classifier that is as flags want it, and the model before merging."""
    from keras_vit.evaluation.temperature import scaled
    from keras_vit.weights import merge_tokens

    model, made_of = classifier.model, None
    if temperature != 1:
        model = scaled(model, temperature)
    if merged:
        model, made_of = merge_tokens(model, merged), model
    if model is classifier.model:
        return classifier, None
    return dataclasses.replace(classifier, model=model), made_of


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


def _wanted(values: flags.FlagValues) -> list[tuple[Any, dict[str, Any]]]:
    """Return the formats to write, each with its options."""
    said = arguments(values, CALLS, FLAGS)
    options = {name: said[name] for name in DEFAULTS if name in said}
    if values.format != "all":
        return [(values.format, options)]
    return [
        (
            format,
            {name: options[name] for name in row.options if name in options}
            | {"quantize": scheme},
        )
        for format, row in FORMATS.items()
        for scheme in ("none", *schemes_here(format))
    ]


def _dataset(
    values: flags.FlagValues, classifier: "Classifier"
) -> "tuple[Dataset | None, list[str]]":
    """Return the data set to compare on, and lines on why there is none.

    It is the one named, or that of the model's own run.
    """
    notes = ["Compared on noise and gradients: --dataset names a data set."]
    try:
        dataset = dataset_flags.opened(values, classifier)
        return dataset, notes if dataset is None else []
    except (ValueError, OSError) as error:  # args in Python, or gone
        if values.dataset is not None:
            raise
        return None, [f"The run's own data set cannot be had: {error}", *notes]
