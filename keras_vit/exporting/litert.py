"""LiteRT, TensorFlow Lite as it was: a .tflite file for phones, boards, browsers."""

import re
from collections import Counter
from importlib.util import find_spec

from keras_vit.exporting import int8, quantization
from keras_vit.exporting.graph import answers_of, check_fits
from keras_vit.exporting.metadata import append, metadata_of

SCHEMES = ("none", "float16", "dynamic", "int8")
PIXELS = ("float32", "uint8")


def write(
    model,
    path,
    class_names=None,
    *,
    quantize="none",
    calibration=None,
    pixels="float32",
    batch_size=1,
):
    """Writes a .tflite file, of LiteRT's own operations alone.

    Its signature `serving_default` takes `images`, pixels in [0, 255] whatever
    the scheme, and gives `logits` and `probabilities`, float32. `labels.txt`
    and `preprocessing.json` are appended as a zip archive.

    Args:
        model: a Keras model that takes images and gives logits.
        path: of the file.
        class_names: in the order of the logits.
        quantize: `"none"`; `"float16"`: weights in half precision, half the
            size, the same speed; `"dynamic"`: weights in int8, a scale for
            each channel, activations quantised as they come, a quarter of the
            size and about three times as fast on a CPU; `"int8"`: also the
            activations of dense layers and convolutions, with ranges from
            `calibration`, for hardware that wants them so.
        calibration: `int8.Images`, for `"int8"`.
        pixels: the dtype of the images, of `PIXELS`.
        batch_size: the only number of images at a time.

    Returns:
        What the gate of `int8.write` measured, and of which `operations_in_int8`
        how many of how many there are; `None` for the other schemes.

    Raises:
        AccuracyLostError: if `"int8"` loses more than its gate allows.
        RuntimeError: if the file needs operations that are not LiteRT's own.
    """
    converted = _converted(model, batch_size, pixels)
    notes = metadata_of(model, class_names)

    def put(file):
        _check_operations(file)
        path.write_bytes(file)
        append(path, notes)

    if quantize == "int8":
        gate = int8.write(model, converted, calibration, path, put, batch_size, pixels)
        counted, in_int8 = operations(path.read_bytes())
        return gate | {
            "operations_in_int8": {
                name: [number, counted[name]] for name, number in in_int8.items()
            }
        }
    if quantize != "none":
        converted = quantization.WEIGHTS[quantize](converted)
    put(converted)
    return None


def check(model, *, quantize, calibration, pixels, batch_size):
    """Refuses what `write` cannot do, before any work.

    Raises:
        ValueError: naming the argument, what was expected and what came.
        ImportError: if the quantizer is asked for and not installed.
    """
    for name, value, choices in (
        ("quantize", quantize, SCHEMES),
        ("pixels", pixels, PIXELS),
    ):
        if value not in choices:
            raise ValueError(
                f"{name} must be one of {', '.join(choices)}. "
                f"Received: {name}={value!r}"
            )
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            "batch_size must be a positive integer: a .tflite file takes batches of "
            f"one size. Received: batch_size={batch_size!r}"
        )
    if quantize == "int8":
        int8.check(model, calibration)
    elif calibration is not None:
        raise ValueError(
            f"calibration is for quantize='int8' alone. Received: quantize={quantize!r}"
        )
    check_fits(model)
    if quantize != "none" and find_spec("ai_edge_quantizer") is None:
        raise ImportError(
            f"quantize={quantize!r} needs what is not installed: ai_edge_quantizer. "
            "pip install 'keras-vision-transformer[export]' brings it"
        )


def operations(file):
    """Counts a .tflite file's operations, read from the file itself.

    Args:
        file: its bytes.

    Returns:
        Two counters by name, such as `FULLY_CONNECTED`: of all, and of those
        that compute in int8. One that is not LiteRT's own is called `CUSTOM`.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    model = schema.Model.GetRootAs(file, 0)
    counted, in_int8 = Counter(), Counter()
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for operator in map(graph.Operators, range(graph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            # Old files have the one, those of more than 127 operations the other.
            name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            types = {graph.Tensors(i).Type() for i in operator.OutputsAsNumpy()}
            counted[name] += 1
            in_int8[name] += types == {schema.TensorType.INT8} and name != "QUANTIZE"
    return counted, +in_int8


def _converted(model, batch_size, pixels):
    """The model as the bytes of a .tflite file in float32."""
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    answers = answers_of(model)
    images = tf.TensorSpec((batch_size, *model.input_shape[1:]), pixels, name="images")
    module = tf.Module()

    @tf.function(input_signature=[images])
    def serve(images):
        return answers(tf.cast(images, tf.float32))

    module.serve = serve
    # The converter finds them in a SavedModel that it writes. Of a graph of
    # constants it makes copy after copy: 20 GB in place of 4 for ViT-B/16.
    module.weights = [weight.value for weight in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [serve.get_concrete_function()], module
    )
    try:
        return converter.convert()
    except ConverterError as error:
        needed = re.findall(r"^(?:TF Select|Custom) ops: (.+)$", str(error), re.M)
        if not needed:
            raise RuntimeError(f"LiteRT's converter failed: {error}") from error
        raise RuntimeError(_others(", ".join(needed))) from error


def _check_operations(file):
    if operations(file)[0]["CUSTOM"]:
        raise RuntimeError(_others("custom ones"))


def _others(names):
    return (
        "The model needs operations that are not LiteRT's own, so it is not written "
        f"as .tflite. Received: {names}. Export a SavedModel"
    )
