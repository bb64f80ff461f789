"""Models of other choices, in every format that runs elsewhere."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.exporting import export
from support.choice_table import CHOICES
from support.models import randomize, tiny_vit
from support.runtimes import by_interpreter, by_onnx, by_openvino

pytestmark = pytest.mark.slow  # exports in every format

NAMES = (
    "rms and SwiGLU without biases",
    "sub-LN",
    "few keys",
    "rotary neighbours",
    "learned rotary",
    "table of offsets",
    "network of offsets",
    "parallel",
    "differential",
    "branches",
    "CLIP's",
    "mean and max",
    "attention over all",
)


def by_litert(path):
    def run(images):
        outputs = by_interpreter(path, images)
        return outputs["logits"], outputs["probabilities"]

    return run


def by_tensorflow(path):
    serve = tf.saved_model.load(path).signatures["pixels"]

    def run(images):
        outputs = serve(images=tf.constant(images))
        return outputs["logits"].numpy(), outputs["probabilities"].numpy()

    return run


FORMATS = {
    "saved_model": ("", by_tensorflow),
    "tflite": (".tflite", by_litert),
    "onnx": (".onnx", by_onnx),
    "openvino": (".xml", by_openvino),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_gives_the_models_own_logits(format, name, tmp_path, rng):
    model = randomize(tiny_vit(**CHOICES[name]), np.random.default_rng(0), scale=0.2)
    suffix, by = FORMATS[format]
    run = by(str(export(model, tmp_path / f"model{suffix}", format)))
    images = rng.integers(0, 256, (3, 16, 24, 3)).astype("float32")
    expected = model.predict_on_batch(images)
    logits = np.concatenate([run(images[i : i + 1])[0] for i in range(3)])
    allowed = 1e-4 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(logits, expected, atol=allowed)
