"""LiteRT, TensorFlow Lite as it was: a .tflite file for phones, boards, browsers."""

import pathlib
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from keras_vit import compat
from keras_vit.classifier import Classifier
from keras_vit.data.splits import Split
from keras_vit.exporting import int8, quantization
from keras_vit.exporting.graph import outputs_of
from keras_vit.exporting.images import Images
from keras_vit.exporting.metadata import append, metadata_of


def write(
    classifier: Classifier,
    path: pathlib.Path,
    *,
    quantize: str = "none",
    calibration: Images | None = None,
    pixels: str = "float32",
    batch_size: int = 1,
) -> dict[str, Any] | None:
    """Write a .tflite file, of LiteRT's own operations alone.

    Its signature `serving_default` takes `images`, pixels in [0, 255] whatever
    the scheme, and returns `logits` and `probabilities`, float32. `labels.txt`
    and `preprocessing.json` are appended as a zip archive.

    Args:
        classifier: in float32.
        path: of the file.
        quantize: `"none"`; `"float16"`: weights in half precision, half the
            size, the same speed; `"dynamic"`: weights in int8, a scale for
            each channel, activations quantised as they come, a quarter of the
            size and about three times as fast on a CPU; `"int8"`: also the
            activations of dense layers and convolutions, with ranges from
            `calibration`, for hardware that wants them so.
        calibration: `images.Images`, for `"int8"`.
        pixels: the dtype of the images, of `keras_vit.export_formats.PIXELS`.
        batch_size: the only number of images at a time.

    Returns:
        What `int8.first_accurate` measured, and of which `operations_in_int8` how
        many of how many there are; `None` for the other schemes.

    Raises:
        AccuracyLostError: if `"int8"` loses more than `accuracy_check` allows.
        RuntimeError: if the file needs operations that are not LiteRT's own.
    """
    converted = _converted(classifier, batch_size, pixels)
    notes = metadata_of(classifier)

    def put(file: bytes) -> None:
        _check_operations(file)
        path.write_bytes(file)
        append(path, notes)

    if calibration is None:
        small = quantize != "none"
        put(quantization.small_weights(converted, quantize) if small else converted)
        return None
    return _write_int8(
        classifier,
        converted,
        calibration,
        path,
        put,
        batch_size=batch_size,
        pixels=pixels,
    )


def _write_int8(
    classifier: Classifier,
    converted: bytes,
    images: Images,
    path: pathlib.Path,
    put: Callable[[bytes], None],
    *,
    batch_size: int,
    pixels: str,
) -> dict[str, Any]:
    """Put the first of `quantization.INT8` that keeps the accuracy."""
    calibrating = cast("Split", images.calibrating)
    batches = int8.batches_of(classifier, calibrating, batch_size, pixels)
    ranges = quantization.calibrated(converted, batches)
    files = [b""]

    def put_int8(scheme: str) -> bool:
        kinds = quantization.INT8[scheme]
        files.append(quantization.int8(converted, kinds, ranges))
        if files[-1] == files[-2]:  # where there are no convolutions
            return False
        put(files[-1])
        return True

    measured = int8.first_accurate(
        classifier,
        images,
        path,
        tuple(quantization.INT8),
        put_int8,
        runtime="tflite",
        whole_pixels=pixels == "uint8",
    )
    counted, in_int8 = operations(path.read_bytes())
    found = {name: [number, counted[name]] for name, number in in_int8.items()}
    return measured | {"operations_in_int8": found}


def operations(file: bytes) -> tuple[Counter[str], Counter[str]]:
    """Count a .tflite file's operations, read from the file itself.

    Args:
        file: its bytes.

    Returns:
        Two counters by name, such as `FULLY_CONNECTED`: of all, and of those
        that compute in int8. One that is not LiteRT's own is called `CUSTOM`.
    """
    schema = compat.litert_schema()

    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    model: Any = schema.Model.GetRootAs(file, 0)
    counted: Counter[str] = Counter()
    in_int8: Counter[str] = Counter()
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for operator in map(graph.Operators, range(graph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            # Old files have the one, those of more than 127 operations the other.
            name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            types = {graph.Tensors(i).Type() for i in operator.OutputsAsNumpy()}
            counted[name] += 1
            in_int8[name] += types == {schema.TensorType.INT8} and name != "QUANTIZE"
    return counted, +in_int8


def _converted(classifier: Classifier, batch_size: int, pixels: str) -> bytes:
    """Return the bytes of a .tflite file in float32."""
    import tensorflow as tf

    outputs = outputs_of(classifier)
    shape = (batch_size, *classifier.image_size, 3)
    module: Any = tf.Module()

    def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return outputs(tf.cast(images, tf.float32))

    images = tf.TensorSpec(shape, pixels, name="images")
    serve: Any = tf.function(answer, input_signature=[images])
    module.serve = serve
    # The converter finds them in a SavedModel that it writes. Of a graph of
    # constants it makes copy after copy: 20 GB in place of 4 for ViT-B/16.
    model: Any = classifier.model
    module.weights = [weight.value for weight in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], module
    )
    try:
        return converter.convert()
    except compat.litert_converter_error() as error:
        needed = re.findall(r"^(?:TF Select|Custom) ops: (.+)$", str(error), re.M)
        if not needed:
            raise RuntimeError(f"LiteRT's converter failed: {error}") from error
        raise RuntimeError(_others(", ".join(needed))) from error


def _check_operations(file: bytes) -> None:
    if operations(file)[0]["CUSTOM"]:
        raise RuntimeError(_others("custom ones"))


def _others(names: str) -> str:
    return (
        "The model needs operations that are not LiteRT's own, so it is not written "
        f"as .tflite. Received: {names}. Export a SavedModel"
    )
