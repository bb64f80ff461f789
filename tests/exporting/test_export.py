import dataclasses
import functools
import json
import os
import shutil
import sys
import types

import numpy as np
import pytest

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.exporting import (
    FORMATS,
    checking,
    export,
    images,
    read_report,
    runtime_check,
)
from keras_vit.exporting.report import report_paths
from support import models
from support.fresh_process import AS_FOR_USERS, exports_checked
from support.models import randomize
from support.often import often
from support.splits import numbered

tiny_vit = functools.partial(models.tiny_vit, num_layers=1)  # one tells as much as two

FILES = {"tflite": "tiny.tflite", "onnx": "tiny.onnx", "openvino": "tiny.xml"}


def place(folder, format):
    return folder / FILES.get(format, "tiny")


@pytest.mark.slow
def test_versions_are_counted_at_the_end_and_labels_written_along(
    tmp_path, rng, monkeypatch
):
    model = randomize(tiny_vit(), rng)
    folder = tmp_path / "tiny"
    names = ["a", "b", "ç", "d e", "f/g"]
    assert keras_vit.export(model, folder, class_names=names) == folder / "1"
    labels = (folder / "1" / "assets" / "labels.txt").read_text(encoding="utf-8")
    assert labels.split("\n") == [*names, ""]

    def meanwhile(format, scratch, *args, **options):  # another export finishes
        assert scratch.name == "2"
        (folder / "2").mkdir()
        (folder / "2" / "saved_model.pb").write_bytes(b"another's")
        return checking.check(format, scratch, *args, **options)

    monkeypatch.setattr(sys.modules[export.__module__], "check", meanwhile)
    assert keras_vit.export(model, folder) == folder / "3"
    assert (folder / "2" / "saved_model.pb").read_bytes() == b"another's"
    assert sorted(os.listdir(folder)) == ["1", "2", "3"]
    assert read_report(folder / "3").top1_agreement == 1


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b\nc", "d", "e", "f"], r"one line of text in UTF-8. .*'b\\nc'"),
        (["a", "b", "c", "d", ""], "one line of text in UTF-8. Received: ''"),
        (list("abcd"), "Expected 5 class names.*Received: 4"),
    ],
)
def test_names_that_are_no_lines_or_too_few_are_refused_before_any_work(
    format, names, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        export(tiny_vit(), place(tmp_path, format), format, names)
    assert os.listdir(tmp_path) == []


# Tests of the other formats check them in this process.
@pytest.fixture(scope="module", params=often(FORMATS, ["saved_model"]))
def exported(request, tmp_path_factory):
    """A model and its export in a format, which a fresh process has checked.

    It is right on 40 of the 50 images that it was reported on.
    """
    rng = np.random.default_rng(0)
    model = randomize(tiny_vit(), rng)
    images = rng.integers(0, 256, (50, 16, 24, 3), dtype=np.uint8)
    labels = model.predict_on_batch(images[:40]).argmax(1)
    wrong = (model.predict_on_batch(images[40:]).argmax(1) + 1) % 5
    split = keras_vit.data.Split(images, np.concatenate([labels, wrong]))
    path = place(tmp_path_factory.mktemp(request.param), request.param)
    with exports_checked(AS_FOR_USERS):
        path = export(model, path, request.param, list("abcde"), split=split)
    return request.param, model, path


def test_an_export_is_run_in_another_process_and_reported(exported):
    _, model, path = exported
    numbers, card = report_paths(path)
    told = json.loads(numbers.read_text())
    assert told["accuracy"] == told["accuracy_of_origin"] == 0.8
    assert told["images"] == 50
    assert told["top1_agreement"] == 1
    assert 0 <= told["largest_difference"] < 1e-4 * max(1, told["largest_logit"])
    assert told["latency_ms"].keys() == {"1", "32"}
    assert told["peak_memory_bytes"] > 1e7
    assert told["size_bytes"] > 4 * model.count_params()
    assert "80.00 %" in card.read_text()
    assert card.read_text().startswith(f"# {model.name}\n")


@pytest.mark.parametrize(
    # The others are written of the same copy as a .tflite file.
    "format",
    often(FORMATS, ["tflite"]),
)
def test_a_model_under_mixed_precision_is_exported(format, tmp_path, rng):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomize(tiny_vit(), rng, scale=0.1)
    finally:
        keras.config.set_dtype_policy("float32")
    path = export(model, place(tmp_path, format), format)
    copied = format != "saved_model"
    assert read_report(path).copied_from == ("mixed_bfloat16" if copied else None)
    told = "a copy in float32 of the Keras model, which is in mixed_bfloat16,"
    assert (told in report_paths(path)[1].read_text()) == copied


@pytest.mark.parametrize("wrong", [0.1, np.nan])
def test_what_gives_other_answers_is_not_kept(exported, wrong, tmp_path, monkeypatch):
    format, model, path = exported

    def write(classifier, scratch, **options):  # the same again
        if path.is_dir():
            shutil.copytree(path, scratch, dirs_exist_ok=True)
        for part in {path.suffix, ".bin"} - {""}:
            if path.with_suffix(part).exists():
                shutil.copy(path.with_suffix(part), scratch.with_suffix(part))

    def run_in_fresh_process(runtime, path, images):
        logits, measured = runtime_check.run(runtime, path, images)
        return logits + wrong, measured

    writer = types.SimpleNamespace(write=write)
    monkeypatch.setitem(sys.modules[export.__module__].WRITERS, format, writer)
    monkeypatch.setattr(checking, "run_in_fresh_process", run_in_fresh_process)
    with pytest.raises(RuntimeError, match="other logits"):
        export(model, place(tmp_path / "new", format), format)
    assert [p for p in (tmp_path / "new").rglob("*") if p.is_file()] == []


@pytest.mark.fresh_process
def test_what_does_not_run_is_told_with_the_reason(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match="does not run: .*a.onnx"):
        checking.run_in_fresh_process(
            "onnx", tmp_path / "a.onnx", np.zeros((1, 4, 4, 3))
        )


def test_an_unknown_format_is_refused_with_the_choices(tmp_path):
    with pytest.raises(ValueError, match="one of saved_model, tflite.*'pickle'"):
        keras_vit.export(tiny_vit(), tmp_path, format="pickle")


def test_an_option_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'float16' is a scheme of tflite; onnx has"):
        export(tiny_vit(), tmp_path / "a.onnx", "onnx", quantize="float16")
    for option in ({"xla": True}, {"top": 3}):
        with pytest.raises(ValueError, match="is an option of saved_model"):
            export(tiny_vit(), tmp_path / "a.onnx", "onnx", **option)
    assert os.listdir(tmp_path) == []


def test_an_option_as_it_is_by_default_is_no_option_of_another_format(tmp_path, rng):
    by_default = "".join(["no", "ne"])  # equal to the default, and not the same object
    path = tmp_path / "a.onnx"
    assert export(tiny_vit(), path, "onnx", quantize=by_default) == path


def test_a_file_of_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match="tflite is written to .* ends in .tflite"):
        export(tiny_vit(), tmp_path / "tiny", "tflite")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_report_says_which_images_were_compared_on(tmp_path):
    model = tiny_vit(image_size=(4, 6), patch_size=2, num_classes=9)
    told = read_report(export(model, tmp_path / "a.tflite", "tflite"))
    assert (told.images, told.source) == (16, "generated noise and gradients")
    told = read_report(
        export(model, tmp_path / "a.tflite", "tflite", split=numbered(9), source="mine")
    )
    assert (told.images, told.source) == (9, "mine")


def test_the_images_compared_on_are_spread_over_the_split(monkeypatch):
    monkeypatch.setattr(images, "MOST_IMAGES", 5)
    model = tiny_vit(image_size=(4, 6), patch_size=2, num_classes=41)
    found = images.images_of(
        Classifier.of(model), numbered(41), None, source=None, quantize="none"
    ).reported
    assert found.labels.tolist() == [0, 10, 20, 30, 40]
    assert found.images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]


def test_weights_beyond_what_a_graph_holds_are_refused(tmp_path, monkeypatch):
    small = dataclasses.replace(FORMATS["tflite"], max_bytes=10_000)
    monkeypatch.setitem(FORMATS, "tflite", small)
    with pytest.raises(ValueError, match="Export a SavedModel"):
        export(tiny_vit(), tmp_path / "a.tflite", "tflite")
    assert os.listdir(tmp_path) == []
