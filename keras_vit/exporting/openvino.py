"""OpenVINO, for Intel's processors: an .xml file, and a .bin beside it."""

import contextlib
import io
import logging
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.data.splits import Split
from keras_vit.exporting import int8, onnx
from keras_vit.exporting.images import Images
from keras_vit.exporting.metadata import metadata_of

# What computes in int8, by NNCF, the most complete first: with activations smoothed
# into weights as it does for transformers, and without.
INT8 = ("a transformer's products", "products")


def write(
    classifier: Classifier,
    path: pathlib.Path,
    *,
    quantize: str = "none",
    calibration: Images | None = None,
) -> dict[str, Any] | None:
    """Write an .xml file with the network and, beside it, a .bin with its weights.

    It takes `images` (batch, height, width, 3), float32 in [0, 255], and returns
    `logits` and `probabilities`; the batch is any. `labels.txt` and
    `preprocessing.json` are in its runtime information, under `keras_vit`.

    Args:
        classifier: in float32.
        path: of the .xml file.
        quantize: `"none"`; or `"int8"`: weights and activations of products in int8,
            with ranges from `calibration`, by NNCF.
        calibration: `images.Images`, for `"int8"`.

    Returns:
        What `int8.first_accurate` measured, and of which `operations_in_int8` how many
        of how many there are; `None` in float32.

    Raises:
        AccuracyLostError: if `"int8"` loses more than `accuracy_check` allows.
    """
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        # By way of ONNX, whose weights it reads from the file: of TensorFlow's graph
        # it keeps several copies.
        file = pathlib.Path(folder) / "model.onnx"
        onnx.write(classifier, file)
        converted = openvino.Core().read_model(file)
        for name, text in metadata_of(classifier).items():
            converted.set_rt_info(text, ["keras_vit", name.partition(".")[0]])
        if calibration is not None:
            return _write_int8(classifier, converted, calibration, path)
        openvino.save_model(converted, path, compress_to_fp16=False)
        del converted  # and its hold on the file
    return None


def _write_int8(
    classifier: Classifier, converted: Any, images: Images, path: pathlib.Path
) -> dict[str, Any]:
    import openvino

    batches = int8.batches_of(classifier, cast("Split", images.calibrating), 1)
    written: dict[str, Any] = {}

    def put(scheme: str) -> bool:
        model = _quantized(converted.clone(), batches, scheme)
        openvino.save_model(model, path, compress_to_fp16=False)
        written["operations_in_int8"] = _operations(model)
        return True

    measured = int8.first_accurate(
        classifier, images, path, INT8, put, runtime="openvino"
    )
    return measured | written


def _quantized(model: Any, batches: Sequence[np.ndarray], scheme: str) -> Any:
    """Return the model with ranges of activations, by NNCF."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    kind = nncf.ModelType.TRANSFORMER if scheme == INT8[0] else None
    data = nncf.Dataset([{"images": batch} for batch in batches])
    with contextlib.redirect_stdout(io.StringIO()):  # its bars
        return nncf.quantize(model, data, model_type=kind, subset_size=len(batches))


def _operations(model: Any) -> dict[str, list[int]]:
    """Count products, and those of them whose activations are quantized."""
    counted: dict[str, list[int]] = {}
    for node in model.get_ops():
        name = node.get_type_name()
        if name in ("MatMul", "Convolution"):
            source = node.input_value(0).get_node().get_type_name()
            in_int8, total = counted.get(name, [0, 0])
            counted[name] = [in_int8 + (source == "FakeQuantize"), total + 1]
    return counted
