"""The door to the formats."""

import dataclasses
import pathlib
from dataclasses import dataclass
from importlib.util import find_spec

from keras_vit.data.evaluation import given_split
from keras_vit.exporting import int8, litert, onnx, openvino, report, saved_model
from keras_vit.exporting.checking import check
from keras_vit.exporting.graph import in_float32, precision_of
from keras_vit.exporting.metadata import check_class_names
from keras_vit.exporting.reference_outputs import reference_of
from keras_vit.files import written_whole
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.logits import class_names_for, logits_model


@dataclass(frozen=True)
class Format:
    """A format that a model can be written in.

    Attributes:
        write: `write(model, path, class_names, **options)`, which gives what
            its report says of a gate, or `None`.
        options: the names of those that it takes.
        suffix: of its file; `""` for a folder of versions.
        packages: that write and run it, of the extra `export`.
        check: `check(model, **options)`, which refuses before any work what
            cannot be written; `None`: nothing is refused.
    """

    write: object
    options: tuple[str, ...] = ()
    suffix: str = ""
    packages: tuple[str, ...] = ()
    check: object = None


FORMATS = {
    "saved_model": Format(saved_model.write, ("top", "xla")),
    "tflite": Format(
        litert.write,
        ("quantize", "calibration", "pixels", "batch_size"),
        ".tflite",
        ("ai_edge_litert",),
        litert.check,
    ),
    "onnx": Format(onnx.write, (), ".onnx", ("onnx", "tf2onnx", "onnxruntime")),
    "openvino": Format(openvino.write, (), ".xml", ("openvino",)),
}
DEFAULTS = {
    "top": 5,
    "xla": False,
    "quantize": "none",
    "calibration": None,
    "pixels": "float32",
    "batch_size": 1,
}


def export(
    model,
    path,
    format="saved_model",
    class_names=None,
    *,
    split=None,
    source="the split that was given",
    top=5,
    xla=False,
    quantize="none",
    calibration=None,
    pixels="float32",
    batch_size=1,
    made_of=None,
):
    """Writes a model in a format that runs without this package.

    What is written is run in a process of its own, on the same images as the
    model; only if it gives the model's answers does it appear, together with
    what was measured: `report.json` and a card, `README.md`, in a
    SavedModel's folder; beside a file, by its name with `.json` and `.md`.

    Args:
        model: a Keras model from images to logits or probabilities, or to one
            output (see `keras_vit.logits.logits_model`).
        path: for a SavedModel the folder of all its versions; the next free
            number is written, free at the end. Else the file; one that is there
            is replaced.
        format: a key of `FORMATS`.
        class_names: in the order of the logits, to be written along.
        split: images and labels to compare on, a split of a
            `keras_vit.data.Dataset` or `(images, labels)`; the report tells the
            accuracy on it. By default noise and gradients.
        source: what the report calls the split, if there is one.
        top: of a SavedModel, how many classes it names for an image.
        xla: of a SavedModel, whether XLA compiles the model in it.
        quantize: of a .tflite file, a key of `litert.SCHEMES`.
        calibration: a split of images like those the model will meet, for
            `quantize="int8"`, such as training images: they give the ranges of
            activations. Whether the accuracy is kept is judged on `split`.
            Where one of the two is not given, one half of the other
            calibrates, and the other half judges and is reported on.
        pixels: of a .tflite file, the dtype of its images: `"float32"` or
            `"uint8"`.
        batch_size: of a .tflite file, which takes no other.
        made_of: the Keras model that `model` was made of at some loss, such as
            the one that `merge_tokens` was given; the report compares with it.
            By default with `model` itself.

    Returns:
        The path that was written.

    Raises:
        TypeError: before anything is written: if `split` is neither.
        ValueError: likewise: for an unknown format, an option
            that the format does not take, names that are not the classes', or a
            model that Keras has quantized.
        ImportError: likewise, if the format's packages are not installed.
        RuntimeError: if what was written gives other logits, or
            `quantize="int8"` changes more answers than `accuracy` allows.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> str(export(model, "savedmodels/tiny"))
    'savedmodels/tiny/1'
    """
    given = {
        "top": top,
        "xla": xla,
        "quantize": quantize,
        "calibration": calibration,
        "pixels": pixels,
        "batch_size": batch_size,
    }
    check_not_quantized(
        model,
        "export",
        "export the float model, which format='tflite' with quantize='int8' makes "
        "small.",
    )
    path, model = pathlib.Path(path), logits_model(model)
    made_of = logits_model(made_of)
    class_names = class_names_for(model, class_names)
    options = _checked(format, path, given)
    check_class_names(model, class_names)
    split = split if split is None else given_split(split)
    if quantize == "int8":
        options["calibration"] = int8.images_of(split, source, calibration)
        split = options["calibration"].reported
        source = options["calibration"].source
    if FORMATS[format].check:
        FORMATS[format].check(model, **options)
    target, instead = path, None
    if not FORMATS[format].suffix:
        target = path / next_version(path)

        def instead():  # of what another export has taken meanwhile
            nonlocal target
            target = path / next_version(path)
            return target

    precise, copied_from = in_float32(model), None
    mixed = precise is not model and format == "saved_model"
    if not mixed and precise is not model:
        # A SavedModel's runtime alone knows every precision.
        model, copied_from = precise, precision_of(model)
    with (
        # First, as it fails where nobody may write.
        written_whole(target, instead) as scratch,
        reference_of(model, split, source, pixels == "uint8", made_of) as reference,
    ):
        gate = FORMATS[format].write(model, scratch, class_names, **options)
        told = check(format, scratch, reference, quantize, mixed)
        told = dataclasses.replace(
            told,
            gate=gate,
            copied_from=copied_from,
            made_of_another=made_of is not None,
        )
        report.write(told, model, class_names, *report_paths(scratch))
    return target


def report_paths(path):
    """Where the report of an exported file or folder is: its numbers, its card."""
    if path.suffix in {one.suffix for one in FORMATS.values() if one.suffix}:
        return path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.md")
    return path / "report.json", path / "README.md"


def read_report(path):
    """The `Report` of what `export` wrote."""
    return report.read(report_paths(path)[0])


def next_version(folder):
    """The number, as text, after the highest of a SavedModel's versions."""
    taken = [int(p.name) for p in folder.glob("*") if p.name.isdigit()]
    return str(max(taken, default=0) + 1)


def _checked(format, path, given):
    """The options that a format takes; others must be as they are by default.

    All that can be known to fail is told here, before any work.
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown format. Expected one of {', '.join(FORMATS)}. "
            f"Received: {format!r}"
        )
    suffix = FORMATS[format].suffix
    if suffix and path.suffix != suffix:
        raise ValueError(
            f"{format} is written to a file that ends in {suffix}. Received: {path}"
        )
    absent = [one for one in FORMATS[format].packages if find_spec(one) is None]
    if absent:
        raise ImportError(
            f"{format} needs what is not installed: {', '.join(absent)}. "
            "pip install 'keras-vision-transformer[export]' brings it"
        )
    taken = FORMATS[format].options
    for name, value in given.items():
        if name not in taken and value != DEFAULTS[name]:
            formats = [key for key, one in FORMATS.items() if name in one.options]
            raise ValueError(
                f"{name} is an option of {', '.join(formats)}. "
                f"Received: format={format!r}"
            )
    return {name: given[name] for name in taken}
