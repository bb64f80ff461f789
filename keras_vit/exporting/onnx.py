"""ONNX, for ONNX Runtime and all that reads it."""

import contextlib
import logging
import pathlib
from collections.abc import Iterator

from keras_vit.classifier import Classifier
from keras_vit.exporting.graph import OUTPUTS, frozen
from keras_vit.exporting.metadata import metadata_of

OPSET = 18


def write(classifier: Classifier, path: pathlib.Path) -> None:
    """Write an .onnx file and have `onnx` check it.

    It takes `images` (batch, height, width, 3), float32 in [0, 255], and returns
    `logits` and `probabilities`; the batch is any. `labels.txt` and
    `preprocessing.json` are in its metadata.

    Args:
        classifier: in float32.
        path: of the file.
    """
    import onnx
    import tf2onnx

    constants = frozen(classifier)
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
    for name, text in metadata_of(classifier).items():
        converted.metadata_props.add(key=name, value=text)
    onnx.checker.check_model(converted, full_check=True)
    onnx.save(converted, path)


@contextlib.contextmanager
def _silent(*names: str) -> Iterator[None]:
    """Keep loggers from warning of what no user can fix."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
