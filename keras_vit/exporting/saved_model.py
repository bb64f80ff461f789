"""SavedModel, in the layout that TensorFlow Serving watches."""

import pathlib

import numpy as np

from keras_vit.exporting.checking import TOLERANCE
from keras_vit.exporting.graph import check_backend
from keras_vit.exporting.metadata import check_class_names
from keras_vit.model_files import (
    LABELS,
    PREPROCESSING,
    write_labels,
    write_preprocessing,
)
from keras_vit.preprocessing import carried_by


def write(model, folder, class_names=None, *, top=5, xla=False):
    """Writes a SavedModel with the signatures that `savedmodels/README.md` lists.

    Beside them go the names of the classes, how images are resized, and
    requests that warm TensorFlow Serving up. Only TensorFlow is needed to
    load it. What was written is loaded, and asked about a picture's bytes and
    about its pixels; whether they are the model's answers is for the caller to
    compare.

    Args:
        model: a Keras model from images `(B, H, W, 3)`, of a known size, to
            logits `(B, K)`.
        folder: of the version, to be made.
        class_names: K, in the order of the logits; `None`: "class 0" and so on
            are told, and none are written along.
        top: how many classes `serving_default` names, at most K.
        xla: whether XLA compiles what lies between pixels and logits, anew for
            each size of a batch.

    Raises:
        RuntimeError: if Keras does not run on TensorFlow, or if the two
            answers differ.
        ValueError: for a model of other shapes, or another number of names,
            before anything is written.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> write(model, "cats_and_dogs", ["cat", "dog"])
    >>> sorted(path.name for path in pathlib.Path("cats_and_dogs/assets").iterdir())
    ['labels.txt', 'preprocessing.json']
    """
    _check_arguments(model, class_names, top)
    import tensorflow as tf

    from keras_vit.exporting.signatures import signatures
    from keras_vit.exporting.warmup import write_warmup

    folder = pathlib.Path(folder)
    names = class_names or [f"class {n}" for n in range(model.output_shape[-1])]
    module = tf.Module()  # Keras's own archive writes every weight twice
    module.weights = [weight.value for weight in model.variables]
    found = signatures(model, names, top=top, xla=xla)
    graphs = {
        name: tf.function(function, [taken], autograph=False).get_concrete_function()
        for name, (function, taken) in found.items()
    }
    tf.saved_model.save(module, str(folder), graphs)
    assets = folder / "assets"
    assets.mkdir(exist_ok=True)
    write_preprocessing(assets / PREPROCESSING, model)
    if class_names is not None:
        write_labels(assets / LABELS, class_names)
    write_warmup(folder, model.input_shape[1:])
    _check(model, folder)


def _check_arguments(model, class_names, top):
    check_backend()
    taken, given = model.input_shape, model.output_shape
    if len(taken) != 4 or None in taken[1:] or taken[3] != 3 or len(given) != 2:
        raise ValueError(
            "Expected a model from images (None, height, width, 3) of a known size to "
            f"logits (None, classes). Received: {model.name!r}, from {taken} to {given}"
        )
    check_class_names(model, class_names)
    if top < 1:
        raise ValueError(f"top must be at least 1. Received: top={top}")


def _check(model, folder):
    """Compares what a picture's bytes give with what its pixels give."""
    import tensorflow as tf

    from keras_vit.data.preprocessing import preprocess
    from keras_vit.exporting.warmup import picture

    image = picture()
    served = tf.saved_model.load(str(folder)).signatures
    files = tf.stack([tf.io.encode_png(image), b"no image"])
    told = served["serving_default"](image_bytes=files)
    pixels = preprocess(image, model.input_shape[1:3], carried_by(model))
    pixels = tf.stack([tf.cast(pixels, tf.float32)] * len(files))
    expected = served["pixels"](images=pixels)["logits"][0].numpy()
    allowed = TOLERANCE["none"] * max(1.0, np.abs(expected).max())
    errors = [error != b"" for error in told["error"].numpy()]
    difference = np.abs(told["logits"][0] - expected).max()
    if errors != [False, True] or not difference <= allowed:
        raise RuntimeError(
            "The SavedModel reads a picture otherwise than this package, so it was not "
            f"kept. Expected logits that differ by at most {allowed:.1e}, and an error "
            f"for what is no image alone. Received: {difference:.1e}, errors {errors}"
        )
