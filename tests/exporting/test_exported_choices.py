"""Models of other choices, in every format that runs elsewhere."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.exporting import export
from keras_vit.layers import memory_efficient_attention
from support.choice_table import CHOICES
from support.models import randomize, tiny_vit
from support.runtimes import by_interpreter, by_onnx, by_openvino

MODELS = {
    "blocks of every kind": {
        "num_layers": 8,
        "layer_scale": 0.1,
        "pooling": {"kind": "gap_max", "prefix_tokens": True},
        "class_token": True,
        "block": [
            {"attention_norm": True, "mlp_norm": True, "mlp": "gated"},
            {"num_key_value_heads": 1, "qkv_bias": "query_value"},
            {"rotary": {"pairs": "neighbours", "axes": "yx"}},
            {"rotary": {"frequencies": "learned"}, "layout": "res_post_norm"},
            {"relative_bias": {}, "layout": "parallel"},
            {"relative_bias": {"form": "mlp", "hidden_dim": 8}},
            {"attention": "differential"},
            {"num_branches": 2, "use_bias": False},
        ],
    },
    "rms and SwiGLU": CHOICES["rms and SwiGLU without biases"]
    | CHOICES["attention over all"],
    "CLIP's": CHOICES["CLIP's"],
}


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


@pytest.mark.slow  # in every format
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_gives_the_models_own_logits(format, name, tmp_path, rng):
    assert_own_logits(MODELS[name], format, tmp_path, rng)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_attention_in_blocks_is_exported_for_formats_without_loops(
    format, tmp_path, rng, monkeypatch
):
    monkeypatch.setattr(memory_efficient_attention, "FEWEST_TOKENS", 1)
    assert_own_logits({}, format, tmp_path, rng)


def assert_own_logits(arguments, format, tmp_path, rng):
    model = randomize(tiny_vit(**arguments), np.random.default_rng(0), scale=0.2)
    suffix, by = FORMATS[format]
    run = by(str(export(model, tmp_path / f"model{suffix}", format)))
    images = rng.integers(0, 256, (3, 16, 24, 3)).astype("float32")
    expected = model.predict_on_batch(images)
    logits = np.concatenate([run(images[i : i + 1])[0] for i in range(3)])
    allowed = 1e-4 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(logits, expected, atol=allowed)
