"""SavedModel, in the layout that TensorFlow Serving watches."""

import pathlib

import keras

from keras_vit.exporting.agreement import check_agreement
from keras_vit.files import written_whole
from keras_vit.layers.head import PROBABILITIES, probabilities_of
from keras_vit.model_files import (
    LABELS,
    PREPROCESSING,
    ServedModel,
    write_labels,
    write_preprocessing,
)
from keras_vit.preprocessing import carried_by


def write(model, folder, class_names=None):
    """Writes the next free version of a SavedModel.

    Its signatures take a batch of any size, named `images`, and give `logits`
    and `probabilities`, by softmax or sigmoid as the model's head says:
    `serving_default` takes float32 pixels,
    `serving_uint8` uint8 pixels, both in [0, 255].

    Args:
        model: a Keras model that takes images and gives logits.
        folder: of all versions, as in `savedmodels/<name>`.
        class_names: in the order of the logits; written as `assets/labels.txt`.

    Returns:
        The folder of the version, `<folder>/<number>`.

    Raises:
        RuntimeError: if what was written gives other logits.
    """
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "A SavedModel is written by Keras's TensorFlow backend. "
            f"Received: {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow"
        )
    folder = pathlib.Path(folder)
    archive = keras.export.ExportArchive()
    archive.track(model)
    probabilities = PROBABILITIES[probabilities_of(model)]
    for name, dtype in (("serving_default", tf.float32), ("serving_uint8", tf.uint8)):
        images = tf.TensorSpec((None, *model.input_shape[1:]), dtype, name="images")

        def serve(images):
            logits = model(tf.cast(images, tf.float32), training=False)
            return {"logits": logits, "probabilities": probabilities(logits)}

        archive.add_endpoint(name, serve, input_signature=[images])

    taken = [int(p.name) for p in folder.glob("*") if p.name.isdigit()]
    version = folder / str(max(taken, default=0) + 1)
    with written_whole(version) as scratch:
        archive.write_out(str(scratch), verbose=False)
        assets = scratch / "assets"
        assets.mkdir(exist_ok=True)
        write_preprocessing(assets / PREPROCESSING, carried_by(model))
        if class_names is not None:
            write_labels(assets / LABELS, class_names)
        _check(model, ServedModel(scratch))
    return version


def _check(model, served):
    """Compares every output of every signature with the model's own."""

    def probabilities(images):
        return keras.ops.convert_to_numpy(
            PROBABILITIES[probabilities_of(model)](model.predict_on_batch(images))
        )

    expected = {"logits": model.predict_on_batch, "probabilities": probabilities}
    for signature, dtype in (
        ("serving_default", "float32"),
        ("serving_uint8", "uint8"),
    ):
        for output, right in expected.items():

            def answer(images, signature=signature, dtype=dtype, output=output):
                return served.answers(images.astype(dtype), signature, dtype)[output]

            check_agreement(right, answer, model.input_shape[1:])
