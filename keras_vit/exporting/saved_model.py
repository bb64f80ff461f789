"""SavedModel, in the layout that TensorFlow Serving watches."""

import keras

from keras_vit.exporting.graph import answers_of
from keras_vit.model_files import (
    LABELS,
    PREPROCESSING,
    write_labels,
    write_preprocessing,
)
from keras_vit.preprocessing import carried_by


def write(model, folder, class_names=None, *, xla=False):
    """Writes a SavedModel.

    Its signatures take a batch of any size, named `images`, and give `logits`
    and `probabilities`, by softmax or sigmoid as the model's head says:
    `pixels` takes float32 pixels, `pixels_uint8` uint8 pixels, both in
    [0, 255].

    Args:
        model: a Keras model that takes images and gives logits.
        folder: of the version.
        class_names: in the order of the logits; written as `assets/labels.txt`.
        xla: whether XLA compiles the model.
    """
    import tensorflow as tf

    answers = answers_of(model)
    if xla:
        answers = tf.function(answers, jit_compile=True)
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, dtype in (("pixels", tf.float32), ("pixels_uint8", tf.uint8)):
        images = tf.TensorSpec((None, *model.input_shape[1:]), dtype, name="images")

        def serve(images):
            return answers(tf.cast(images, tf.float32))

        archive.add_endpoint(name, serve, input_signature=[images])
    archive.write_out(str(folder), verbose=False)
    assets = folder / "assets"
    assets.mkdir(exist_ok=True)
    write_preprocessing(assets / PREPROCESSING, carried_by(model))
    if class_names is not None:
        write_labels(assets / LABELS, class_names)
