"""What a SavedModel can be asked: its signatures, as TensorFlow functions."""

import functools

import keras
import tensorflow as tf

from keras_vit.decoding import decoding_of
from keras_vit.exporting.graph import OUTPUTS
from keras_vit.exporting.served_images import read_images
from keras_vit.inspect.attention import blocks_of
from keras_vit.inspect.rollouts import rollout_model
from keras_vit.layers.head import PROBABILITIES, probabilities_of
from keras_vit.preprocessing import carried_by

FEATURES = "features"  # the layer whose output the head reads


def signatures(model, class_names, *, top=5, xla=False):
    """Gives the signatures of a model, each with what it takes.

    Args:
        model: a Keras model from images `(B, H, W, 3)` to logits `(B, K)`.
        class_names: K, in the order of the logits.
        top: how many classes `serving_default` names.
        xla: whether XLA compiles what lies between pixels and logits.

    Returns:
        A dict: the name, then a function of one batch and its `tf.TensorSpec`.
        `features` and `attention` are missing for models without them.

    Example:

    >>> model = keras_vit.ViT_Ti16(num_classes=2, image_size=32)
    >>> list(signatures(model, ["cat", "dog"]))
    ['serving_default', 'pixels', 'pixels_uint8', 'features', 'attention']
    """
    shape = model.input_shape
    images = tf.TensorSpec(shape, tf.float32, name="images")
    levels = tf.TensorSpec(shape, tf.uint8, name="images")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    # Each of these is a graph of its own, which the signatures share.
    answers = _answers(model, xla)
    read = _reader(tuple(shape[1:3]), carried_by(model), decoding_of(model))

    def pixels(images):
        told = answers(tf.cast(images, tf.float32))
        return {name: told[name] for name in OUTPUTS}

    def features(images):
        return {FEATURES: answers(images)[FEATURES]}

    found = {
        "serving_default": (_classes(read, pixels, class_names, top), image_bytes),
        "pixels": (pixels, images),
        "pixels_uint8": (pixels, levels),
    }
    if FEATURES in answers.structured_outputs:
        found[FEATURES] = features, images
    attention = _attention(model, read)
    if attention:
        found["attention"] = attention, image_bytes
    return found


def _answers(model, xla):
    """Images `(B, H, W, 3)` to logits, probabilities and, if there are, features."""
    told = {"logits": model.outputs[0]}
    if any(layer.name == FEATURES for layer in model.layers):
        told[FEATURES] = model.get_layer(FEATURES).output
    inside = keras.Model(model.inputs[0], told)
    probabilities = PROBABILITIES[probabilities_of(model)]
    images = tf.TensorSpec(model.input_shape, tf.float32)

    @tf.function(input_signature=[images], jit_compile=xla or None, autograph=False)
    def answers(images):
        told = inside(images, training=False)
        told = {name: tf.cast(value, tf.float32) for name, value in told.items()}
        return told | {"probabilities": probabilities(told["logits"])}

    return answers.get_concrete_function()


@functools.lru_cache(maxsize=4)  # it takes seconds to trace, and models share it
def _reader(size, preprocessing, decoding):
    """Bytes of image files, strings `(B,)`, to pixels, windows and errors."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def read(image_bytes):
        return read_images(image_bytes, size, preprocessing, decoding)

    return read.get_concrete_function()


def _classes(read, pixels, class_names, top):
    """Bytes of image files to the likeliest classes."""
    names = tf.constant(list(class_names))
    count = min(top, len(class_names))

    def serving_default(image_bytes):
        images, _, errors = read(image_bytes)
        told = pixels(images)
        best, places = tf.math.top_k(told["probabilities"], count)
        good = (errors == "")[:, tf.newaxis]
        return {
            "classes": tf.where(good, tf.gather(names, places), ""),
            "probabilities": tf.where(good, best, 0.0),
            "logits": tf.where(good, told["logits"], 0.0),
            "error": errors,
        }

    return serving_default


def _attention(model, read):
    """Bytes of image files to attention rollout; `None` without attention."""
    try:
        blocks_of(model)
    except ValueError:
        return None
    rollout = rollout_model(model)

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
