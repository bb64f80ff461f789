"""OpenVINO, for Intel's processors: an .xml file, and a .bin beside it."""

import pathlib
import tempfile

from keras_vit.classifier import Classifier
from keras_vit.exporting import onnx
from keras_vit.exporting.metadata import metadata_of


def write(classifier: Classifier, path: pathlib.Path) -> None:
    """Write an .xml file with the network and, beside it, a .bin with its weights.

    It takes `images` (batch, height, width, 3), float32 in [0, 255], and returns
    `logits` and `probabilities`; the batch is any. `labels.txt` and
    `preprocessing.json` are in its runtime information, under `keras_vit`.

    Args:
        classifier: in float32.
        path: of the .xml file.
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
        openvino.save_model(converted, path, compress_to_fp16=False)
        del converted  # and its hold on the file
