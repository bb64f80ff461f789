"""A model that merges tokens, in every format that runs elsewhere."""

import functools

import numpy as np
import pytest

from keras_vit.classifier import Classifier
from keras_vit.data import Split
from keras_vit.exporting import export
from keras_vit.exporting.report import read_report
from keras_vit.exporting.signatures import signatures
from keras_vit.weights import merge_tokens
from support.models import randomize, tiny_vit
from support.runtimes import by_interpreter, by_onnx, by_openvino

pytestmark = pytest.mark.slow  # exports in every format


def by_litert(path):
    def run(images):
        told = by_interpreter(path, images)
        return told["logits"], told["probabilities"]

    return run


FORMATS = {
    "tflite": (".tflite", by_litert),
    "onnx": (".onnx", by_onnx),
    "openvino": (".xml", by_openvino),
}


@functools.cache
def model_that_merges():
    model = tiny_vit(token_merging=2, pooling="gap", num_registers=1)
    return randomize(model, np.random.default_rng(0), scale=0.3)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_gives_the_models_own_answers(format, tmp_path, rng):
    model = model_that_merges()
    suffix, by = FORMATS[format]
    run = by(export(model, tmp_path / f"model{suffix}", format))
    images = rng.integers(0, 256, (6, 16, 24, 3)).astype("float32")
    expected = model.predict_on_batch(images)
    logits = np.concatenate([run(images[i : i + 1])[0] for i in range(6)])
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_a_saved_model_answers_all_but_where_it_looks():
    found = list(signatures(Classifier.of(model_that_merges())))
    assert found == ["serving_default", "pixels", "pixels_uint8", "features"]


def test_a_report_tells_what_merging_lost(tmp_path, rng):
    plain = randomize(tiny_vit(image_size=32), rng, scale=0.8)
    images = rng.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    pixels = images.astype(np.float32)
    head = plain.get_layer("head")
    head.bias.assign(head.bias - np.median(plain.predict_on_batch(pixels), 0))
    merging = merge_tokens(plain, 7)
    before, after = (one.predict_on_batch(pixels) for one in (plain, merging))
    labels = before.argmax(1)
    path = tmp_path / "model.tflite"
    split = Split(images, labels)
    export(merging, path, "tflite", split=split, made_of=plain)
    report = read_report(path)
    share = (labels == after.argmax(1)).mean()
    assert share < 1
    assert report.accuracy == report.top1_agreement == share
    assert report.accuracy_of_origin == 1
    assert abs(report.largest_difference - np.abs(before - after).max()) < 1e-3
    assert "this one was made of" in path.with_name("model.tflite.md").read_text()
