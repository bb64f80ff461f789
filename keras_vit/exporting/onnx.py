"""ONNX, for ONNX Runtime and all that reads it."""

import contextlib
import logging

from keras_vit.exporting.graph import OUTPUTS, frozen
from keras_vit.exporting.metadata import metadata_of

OPSET = 18


def write(model, path, class_names=None):
    """Writes an .onnx file and has `onnx` check it.

    It takes `images` (batch, height, width, 3), float32 in [0, 255], and gives
    `logits` and `probabilities`; the batch is any. `labels.txt` and
    `preprocessing.json` are in its metadata.

    Args:
        model: a Keras model that takes images and gives logits.
        path: of the file.
        class_names: in the order of the logits.
    """
    import onnx
    import tf2onnx

    constants = frozen(model)
    names = {"images:0": "images"} | {
        output.name: name
        for output, name in zip(constants.outputs, OUTPUTS, strict=True)
    }
    with _silent("tf2onnx", "tensorflow"):
        converted, _ = tf2onnx.convert.from_graph_def(
            constants.graph.as_graph_def(),
            input_names=["images:0"],
            output_names=[output.name for output in constants.outputs],
            opset=OPSET,
            tensors_to_rename=names,
        )
    for value in [*converted.graph.input, *converted.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for name, text in metadata_of(model, class_names).items():
        converted.metadata_props.add(key=name, value=text)
    onnx.checker.check_model(converted, full_check=True)
    onnx.save(converted, path)


@contextlib.contextmanager
def _silent(*names):
    """Keeps loggers from telling of what is nobody's here to mend."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
