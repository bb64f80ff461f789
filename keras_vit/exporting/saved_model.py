"""SavedModel, in the layout that TensorFlow Serving watches."""

import pathlib
from typing import Any

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.exporting.metadata import metadata_of
from keras_vit.exporting.warmup import picture, write_warmup


def write(
    classifier: Classifier, folder: pathlib.Path, *, top: int = 5, xla: bool = False
) -> None:
    """Write a SavedModel with the signatures that `savedmodels/README.md` lists.

    Beside them go the names of the classes, how images are resized, and
    requests that warm TensorFlow Serving up. Only TensorFlow is needed to
    load it.

    Args:
        classifier: of images `(B, H, W, 3)`, of a known size. Without names of
            classes, the SavedModel answers with "class 0" and so on.
        folder: of the version, to be made.
        top: how many classes `serving_default` names, at most K.
        xla: whether XLA compiles what lies between pixels and logits, anew for
            each size of a batch.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> write(Classifier.of(model, class_names=["cat", "dog"]), pathlib.Path("pets"))
    >>> sorted(path.name for path in pathlib.Path("pets/assets").iterdir())
    ['labels.txt', 'preprocessing.json']
    """
    import tensorflow as tf

    from keras_vit.exporting.signatures import signatures

    model: Any = classifier.model
    module: Any = tf.Module()  # Keras's own archive writes every weight twice
    module.weights = [weight.value for weight in model.variables]
    graphs = {
        name: tf.function(function, [inputs], autograph=False).get_concrete_function()
        for name, (function, inputs) in signatures(classifier, top=top, xla=xla).items()
    }
    tf.saved_model.save(module, str(folder), graphs)
    assets = folder / "assets"
    assets.mkdir(exist_ok=True)
    for name, text in metadata_of(classifier).items():
        (assets / name).write_text(text, encoding="utf-8")
    write_warmup(folder, graphs)


def check_reading(folder: pathlib.Path, pixels: np.ndarray, allowed: float) -> None:
    """Compare the outputs for a picture's bytes with those for its pixels.

    Args:
        folder: of the version.
        pixels: of `warmup.picture`, in the model's size as this package resizes
            it, `(H, W, 3)`.
        allowed: the largest difference of a logit, as a share of the largest
            logit where that is above 1.

    Raises:
        RuntimeError: if they differ by more, or if the SavedModel does not
            report what is no image.
    """
    import tensorflow as tf

    served = tf.saved_model.load(str(folder)).signatures
    files = tf.stack([tf.io.encode_png(picture()), b"no image"])
    outputs = served["serving_default"](image_bytes=files)
    images = tf.stack([tf.cast(pixels, tf.float32)] * len(files))
    expected = served["pixels"](images=images)["logits"][0].numpy()
    allowed *= max(1.0, np.abs(expected).max())
    errors = [error != b"" for error in outputs["error"].numpy()]
    difference = np.abs(outputs["logits"][0] - expected).max()
    if errors != [False, True] or not difference <= allowed:
        raise RuntimeError(
            "The SavedModel reads a picture otherwise than this package, so it was not "
            f"kept. Expected logits that differ by at most {allowed:.1e}, and an error "
            f"for what is no image alone. Received: {difference:.1e}, errors {errors}"
        )
