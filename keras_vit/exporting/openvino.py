"""OpenVINO, for Intel's processors: an .xml file, and a .bin beside it."""

import pathlib

from keras_vit.classifier import Classifier
from keras_vit.exporting.graph import OUTPUTS, servable
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

    serve = servable(classifier).serve.get_concrete_function()
    converted = openvino.convert_model(serve)
    converted.inputs[0].get_tensor().set_names({"images"})
    for output, name in zip(converted.outputs, OUTPUTS, strict=True):
        output.get_tensor().set_names({name})
    for name, text in metadata_of(classifier).items():
        converted.set_rt_info(text, ["keras_vit", name.partition(".")[0]])
    openvino.save_model(converted, path, compress_to_fp16=False)
