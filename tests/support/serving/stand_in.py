"""A small SavedModel with the signatures of an exported classifier.

Its logits are a linear function of a picture's mean colour, so that NumPy knows
them, and its attention is brightness, so that one sees where it is drawn.
"""

import io
import shutil

import numpy as np
import tensorflow as tf
from PIL import Image

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")
HEIGHT, WIDTH, GRID, TOP = 6, 8, 4, 5
MOST_PIXELS = 1_000_000
KERNEL = np.linspace(-3, 3, 3 * len(CLASSES), dtype=np.float32).reshape(3, -1) ** 3
NOT_AN_IMAGE, TOO_LARGE = "not a PNG or JPEG image", "more than 1000000 pixels"


class StandIn(tf.Module):
    """The model, whose logits are moved by `bias`."""

    def __init__(self, bias=0.0):
        super().__init__()
        self.kernel = tf.Variable(KERNEL)
        self.bias = tf.Variable(tf.range(len(CLASSES), dtype=tf.float32) * bias)

    def logits(self, images):
        mean = tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2))
        return mean / 255.0 @ self.kernel + self.bias

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def classify(self, image_bytes):
        means, error = tf.map_fn(
            lambda one: _read(one, lambda image: tf.reduce_mean(image, (0, 1)), [3]),
            image_bytes,
            fn_output_signature=(tf.float32, tf.string),
        )
        good = tf.cast(error == "", tf.float32)[:, None]
        logits = good * self.logits(means[:, None, None])
        best = tf.math.top_k(tf.nn.softmax(logits), TOP)
        classes = tf.gather(tf.constant(CLASSES), best.indices)
        return {
            "classes": tf.where(good > 0, classes, ""),
            "probabilities": good * best.values,
            "logits": logits,
            "error": error,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def attention(self, image_bytes):
        def look(image):
            size = tf.cast(tf.shape(image)[:2], tf.float32)
            share = tf.reduce_min(size) / size  # of the square in the middle
            window = tf.concat([(1 - share) / 2, share], 0)
            box = tf.concat([window[:2], window[:2] + share], 0)
            crop = tf.image.crop_and_resize(image[None], box[None], [0], [64, 64])
            patches = tf.nn.avg_pool2d(crop, 64 // GRID, 64 // GRID, "VALID")
            bright = tf.reduce_mean(patches, -1)[0]
            return tf.concat([tf.reshape(bright, [-1]), window], 0)

        found, error = tf.map_fn(
            lambda one: _read(one, look, [GRID * GRID + 4]),
            image_bytes,
            fn_output_signature=(tf.float32, tf.string),
        )
        return {
            "attention": tf.reshape(found[:, :-4], [-1, GRID, GRID]) / 255.0,
            "window": found[:, -4:],
            "error": error,
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None, HEIGHT, WIDTH, 3], name="images")]
    )
    def pixels(self, images):
        logits = self.logits(images)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    @tf.function(
        input_signature=[tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.uint8, "images")]
    )
    def pixels_uint8(self, images):
        return self.pixels(tf.cast(images, tf.float32))

    @tf.function(
        input_signature=[tf.TensorSpec([None, HEIGHT, WIDTH, 3], name="images")]
    )
    def features(self, images):
        return {"features": tf.reduce_mean(images, axis=(1, 2))}


def _read(file, what, shape):
    """What is made of an image, or zeros and why there is none."""
    head = tf.strings.join([file, tf.constant(b"\0" * 32)])
    png = tf.strings.substr(head, 0, 8) == b"\x89PNG\r\n\x1a\n"
    jpeg = tf.strings.substr(head, 0, 3) == b"\xff\xd8\xff"
    size = tf.cast(tf.io.decode_raw(tf.strings.substr(head, 16, 8), tf.uint8), tf.int64)
    scale = tf.constant([2**24, 2**16, 2**8, 1], tf.int64)
    height = tf.reduce_sum(size[4:] * scale)
    too_large = png & (tf.reduce_sum(size[:4] * scale) * height > MOST_PIXELS)
    error = tf.where(
        png | jpeg, tf.where(too_large, TOO_LARGE, ""), tf.constant(NOT_AN_IMAGE)
    )

    def made():
        image = tf.io.decode_image(file, 3, expand_animations=False)
        return tf.ensure_shape(what(tf.cast(image, tf.float32)), shape)

    return tf.cond(error == "", made, lambda: tf.zeros(shape)), error


def write(version, bias=0.0, attention=True, labels=CLASSES):
    """Writes a version of the model into a folder."""
    model = StandIn(bias)
    signatures = {
        "serving_default": model.classify,
        "attention": model.attention,
        "pixels": model.pixels,
        "pixels_uint8": model.pixels_uint8,
        "features": model.features,
    }
    if not attention:
        del signatures["attention"]
    shutil.rmtree(version, ignore_errors=True)
    tf.saved_model.save(model, str(version), signatures=signatures)
    (version / "assets").mkdir(exist_ok=True)
    text = "".join(f"{name}\n" for name in labels)
    (version / "assets" / "labels.txt").write_text(text)
    return version


def logits_of(mean, bias=0.0):
    """The logits of a mean colour, by NumPy."""
    return np.float32(mean) / 255 @ KERNEL + np.arange(len(CLASSES)) * bias


def probabilities_of(logits):
    """Softmax, by NumPy."""
    shares = np.exp(logits - np.max(logits, -1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def png(colour, size=(5, 4)):
    """The bytes of a picture of one colour, of (width, height)."""
    stream = io.BytesIO()
    Image.new("RGB", size, tuple(colour)).save(stream, "PNG")
    return stream.getvalue()
