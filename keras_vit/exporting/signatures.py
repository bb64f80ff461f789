"""What a SavedModel can be asked: its signatures, as TensorFlow functions."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_vit.classifier import Classifier
from keras_vit.decoding import Decoding
from keras_vit.exporting.graph import OUTPUTS
from keras_vit.exporting.served_images import read_images
from keras_vit.inspect.blocks import NoAttentionError
from keras_vit.inspect.rollouts import rollout_model
from keras_vit.layers.head import PROBABILITIES
from keras_vit.preprocessing import Preprocessing

Signature = Callable[..., Any]  # of tensors to a dict of tensors
FEATURES = "features"  # the layer whose output the head reads


def signatures(
    classifier: Classifier, *, top: int = 5, xla: bool = False
) -> dict[str, tuple[Signature, tf.TensorSpec]]:
    """Return the signatures of a classifier, each with the input that it takes.

    Args:
        classifier: of images `(B, H, W, 3)` to K classes; without names they
            are called "class 0" and so on.
        top: how many classes `serving_default` names.
        xla: whether XLA compiles what lies between pixels and logits.

    Returns:
        A dict: the name, then a function of one batch and its `tf.TensorSpec`.
        `features` and `attention` are missing for models without them.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> list(signatures(Classifier.of(model)))
    ['serving_default', 'pixels', 'pixels_uint8', 'features', 'attention']
    """
    shape = (None, *classifier.image_size, 3)
    images = tf.TensorSpec(shape, tf.float32, name="images")
    levels = tf.TensorSpec(shape, tf.uint8, name="images")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    # Each of these is a graph of its own, which the signatures share.
    outputs = _outputs(classifier.model, PROBABILITIES[classifier.activation], xla)
    read = _reader(classifier.image_size, classifier.preprocessing, classifier.decoding)
    names = classifier.class_names or [
        f"class {n}" for n in range(classifier.num_classes)
    ]

    def pixels(images):
        computed = outputs(tf.cast(images, tf.float32))
        return {name: computed[name] for name in OUTPUTS}

    def features(images):
        return {FEATURES: outputs(images)[FEATURES]}

    found = {
        "serving_default": (_classes(read, pixels, names, top), image_bytes),
        "pixels": (pixels, images),
        "pixels_uint8": (pixels, levels),
    }
    if FEATURES in outputs.structured_outputs:
        found[FEATURES] = features, images
    attention = _attention(classifier.model, read)
    if attention:
        found["attention"] = attention, image_bytes
    return found


def _outputs(model: Any, probabilities: Callable, xla: bool) -> Any:
    """Images `(B, H, W, 3)` to logits, probabilities and, if there are, features."""
    inner = {"logits": model.outputs[0]}
    if any(layer.name == FEATURES for layer in model.layers):
        inner[FEATURES] = model.get_layer(FEATURES).output
    inside = keras.Model(model.inputs[0], inner)
    images = tf.TensorSpec(model.input_shape, tf.float32)

    def outputs(images: tf.Tensor) -> dict[str, tf.Tensor]:
        values = inside(images, training=False)
        values = {name: tf.cast(value, tf.float32) for name, value in values.items()}
        return values | {"probabilities": probabilities(values["logits"])}

    function: Any = tf.function(
        outputs, [images], jit_compile=xla or None, autograph=False
    )
    return function.get_concrete_function()


@functools.lru_cache(maxsize=4)  # it takes seconds to trace, and models share it
def _reader(
    size: tuple[int, int], preprocessing: Preprocessing, decoding: Decoding
) -> Any:
    """Bytes of image files, strings `(B,)`, to pixels, windows and errors."""

    def read(image_bytes: tf.Tensor) -> Any:
        return read_images(image_bytes, size, preprocessing, decoding)

    function: Any = tf.function(
        read, [tf.TensorSpec((None,), tf.string)], autograph=False
    )
    return function.get_concrete_function()


def _classes(
    read: Signature, pixels: Signature, class_names: Sequence[str], top: int
) -> Signature:
    """Bytes of image files to the likeliest classes."""
    names = tf.constant(list(class_names))
    count = min(top, len(class_names))

    def serving_default(image_bytes):
        images, _, errors = read(image_bytes)
        outputs = pixels(images)
        best, places = tf.math.top_k(outputs["probabilities"], count)
        good = (errors == "")[:, tf.newaxis]
        return {
            "classes": tf.where(good, tf.gather(names, places), ""),
            "probabilities": tf.where(good, best, 0.0),
            "logits": tf.where(good, outputs["logits"], 0.0),
            "error": errors,
        }

    return serving_default


def _attention(model: Any, read: Signature) -> Signature | None:
    """Bytes of image files to attention rollout; `None` without attention."""
    try:
        rollout = rollout_model(model)
    except NoAttentionError:
        return None

    def attention(image_bytes):
        images, windows, errors = read(image_bytes)
        maps = tf.cast(rollout(images, training=False), tf.float32)
        good = (errors == "")[:, tf.newaxis, tf.newaxis]
        return {
            "attention": tf.where(good, maps, 0.0),
            "window": windows,
            "error": errors,
        }

    return attention
