"""The door to the formats: a classifier is written, checked and reported."""

import dataclasses
import os
import pathlib
from typing import TYPE_CHECKING, Any, Literal

from keras_vit.classifier import Classifier
from keras_vit.equal_files import fingerprint, keras_file
from keras_vit.export_formats import FORMATS, check_fastest, check_target, options_of
from keras_vit.exporting import litert, onnx, openvino, saved_model
from keras_vit.exporting.checking import check
from keras_vit.exporting.graph import exportable, precision_of
from keras_vit.exporting.images import images_of
from keras_vit.exporting.reference_outputs import reference_of
from keras_vit.exporting.report import write_report
from keras_vit.files import written_whole
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.served_model import ServedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

# The file of each format: `write(classifier, path, **options)`.
WRITERS = {
    "saved_model": saved_model,
    "tflite": litert,
    "onnx": onnx,
    "openvino": openvino,
}


def export(
    model: "keras.Model | Classifier | str | os.PathLike[str]",
    path: str | os.PathLike[str],
    format: Literal["saved_model", "tflite", "onnx", "openvino"] = "saved_model",
    class_names: "Sequence[str] | None" = None,
    *,
    split: Any = None,
    source: str | None = None,
    top: int = 5,
    xla: bool = False,
    quantize: Literal["none", "float16", "dynamic", "int8"] = "none",
    calibration: Any = None,
    pixels: Literal["float32", "uint8"] = "float32",
    batch_size: int = 1,
    made_of: "keras.Model | Classifier | str | os.PathLike[str] | None" = None,
    for_: Literal["cpu"] | None = None,
) -> pathlib.Path:
    """Write a model in a format that runs without this package.

    What is written is run in a process of its own, on the same images as the
    model. Only if it returns the model's outputs does it appear, together with
    what was measured: `report.json` and a card, `README.md`, in a
    SavedModel's folder; beside a file, by its name with `.json` and `.md`.

    Args:
        model: a Keras model from images to logits or probabilities, or to one
            output (see `keras_vit.logits.logits_model`); a
            `keras_vit.Classifier`; or the path of a run's folder or of a
            `.keras` file.
        path: of a SavedModel, the folder of all its versions; the next free
            number is written. Else the file; an existing one is replaced.
        format: a key of `keras_vit.exporting.FORMATS`.
        class_names: in the order of the logits; by default the model's own.
        split: images and labels to compare on, as `keras_vit.data.split_of`
            takes them: a data set's name or path, or a `keras_vit.data.Dataset`,
            of which the test split is taken; a split; or `(images, labels)`. The
            report has the accuracy on it. By default noise and gradients.
        source: what the report calls the split; by default the data set's name.
        top: of a SavedModel, how many classes it names for an image.
        xla: of a SavedModel, whether XLA compiles the model in it.
        quantize: how a file is quantized: a .tflite file in any of these ways, an
            .onnx file by `"dynamic"`, an .xml file by `"int8"`, with NNCF.
        calibration: images like those the model will meet, for
            `quantize="int8"`, given as `split` is; of a data set the training
            split is taken. They set the ranges of activations. Whether the
            accuracy is kept is judged on `split`. Where one of the two is
            missing, one half of the other calibrates, and the other half judges
            and is reported on.
        pixels: of a .tflite file, the dtype of its images: `"float32"` or
            `"uint8"`.
        batch_size: of a .tflite file, the only number of images at a time.
        made_of: the model that `model` was made of at some loss, such as the
            one that `merge_tokens` was given; the report compares with it. By
            default with `model` itself.
        for_: `"cpu"`: the format and the quantisation that answer one image fastest
            on this machine's processor are found by writing and timing all of them.
            Those that lose accuracy are left out by `split`; without it those in
            float32 alone are tried. `path` has no suffix then.

    Returns:
        The path that was written.

    Raises:
        FileNotFoundError: before anything is written, if there is no model at a
            path.
        TypeError: before anything is written, for a model or a split of another
            type.
        ValueError: before anything is written, for an unknown format, an option
            that the format does not take, names that are not as many as the
            classes, a SavedModel, or a model that Keras has quantized.
        ImportError: before anything is written, if the format's packages are
            not installed.
        RuntimeError: if the written file returns other logits, or
            `quantize="int8"` changes more predictions than
            `keras_vit.exporting.accuracy_check` allows.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=10, image_size=32)
    >>> str(export(model, "savedmodels/tiny"))
    'savedmodels/tiny/1'
    """
    path = pathlib.Path(path).expanduser()
    if for_ is not None:
        check_fastest(for_, path, format, quantize)
        from keras_vit.exporting.fastest import export_fastest

        return export_fastest(
            model,
            path,
            image_size=Classifier.of(model).image_size,
            class_names=class_names,
            split=split,
            source=source,
            calibration=calibration,
            made_of=made_of,
        )
    check_target(format, path)
    options = options_of(
        format,
        {
            "top": top,
            "xla": xla,
            "quantize": quantize,
            "calibration": calibration,
            "pixels": pixels,
            "batch_size": batch_size,
        },
    )
    classifier = Classifier.of(model, class_names=class_names)
    origin = None
    if isinstance(model, str | os.PathLike) and keras_file(model) is not None:
        origin = fingerprint(model)
    _check_floating(classifier)
    precision = precision_of(classifier)
    mixed = precision is not None and FORMATS[format].precisions == "any"
    classifier = exportable(classifier, FORMATS[format])
    before = None if made_of is None else Classifier.of(made_of)
    unchanged = pixels == "float32" and class_names is before is precision is None
    images = images_of(classifier, split, calibration, source=source, quantize=quantize)
    if quantize == "int8":
        options["calibration"] = images

    versioned = not FORMATS[format].suffix
    target = path / next_version(path) if versioned else path

    def instead() -> pathlib.Path:  # of what another export has taken meanwhile
        nonlocal target
        target = path / next_version(path)
        return target

    # First, as it fails where nobody may write.
    with written_whole(target, instead if versioned else None) as scratch:
        with reference_of(
            classifier,
            images.reported,
            images.source,
            whole_pixels=pixels == "uint8",
            before=before,
        ) as reference:
            measured = WRITERS[format].write(classifier, scratch, **options)
            report = check(format, scratch, reference, quantize, mixed=mixed)
        report = dataclasses.replace(
            report,
            gate=measured,
            copied_from=None if mixed else precision,
            made_of_another=before is not None,
            equal_to=origin if unchanged else None,
        )
        write_report(report, classifier, scratch)
    return target


def next_version(folder: pathlib.Path) -> str:
    """Return the number, as text, after the highest of a SavedModel's versions."""
    taken = [int(p.name) for p in folder.glob("*") if p.name.isdigit()]
    return str(max(taken, default=0) + 1)


def _check_floating(classifier: Classifier) -> None:
    """Refuse what is exported, or quantized by Keras, already."""
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "A SavedModel is exported already. Expected a Keras model, a run's folder "
            f"or a .keras file. Received: the SavedModel {classifier.name!r}"
        )
    check_not_quantized(
        classifier.model,
        "export",
        "export the float model, which format='tflite' with quantize='int8' makes "
        "small.",
    )
