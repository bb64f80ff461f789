"""LiteRT, TensorFlow Lite as it was: a .tflite file for phones, boards, browsers."""

from keras_vit.exporting.graph import servable
from keras_vit.exporting.metadata import append, metadata_of

SCHEMES = ("none",)


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

    Its signature `serving_default` takes `images` and gives `logits` and
    `probabilities`.
    """
    import tensorflow as tf

    module = servable(model, batch_size, pixels)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.serve.get_concrete_function()], module
    )
    path.write_bytes(converter.convert())
    append(path, metadata_of(model, class_names))
