"""What `export` takes: any classifier, any labelled images; and what it keeps."""

import dataclasses
import functools
import json

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Split
from keras_vit.decoding import Decoding
from keras_vit.exporting import export, images, read_report, saved_model
from keras_vit.model_files import save_model
from keras_vit.preprocessing import PRESETS, resolve
from support import models
from support.models import randomize

pytestmark = pytest.mark.slow  # exports once for each door

tiny_vit = functools.partial(models.tiny_vit, num_layers=1)  # one tells as much as two

NAMES = ("a", "b", "ç", "d e", "f/g")


def labels_of(path):
    notes = {one.key: one.value for one in onnx.load(path).metadata_props}
    return tuple(notes["labels.txt"].splitlines())


def test_a_path_and_a_classifier_are_exported_as_a_model_is(tmp_path, rng, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model = randomize(tiny_vit(), rng)
    save_model(model, tmp_path / "run" / "model.keras", NAMES)
    for source in ("~/run", "~/run/model.keras", Classifier.of(tmp_path / "run")):
        path = export(source, "~/a.onnx", "onnx")
        assert path == tmp_path / "a.onnx"
        assert labels_of(path) == NAMES
        assert read_report(path).top1_agreement == 1
        path.unlink()
    others = list("vwxyz")
    path = export("~/run", "~/a.onnx", "onnx", others, made_of="~/run/model.keras")
    assert labels_of(path) == tuple(others)
    assert read_report("~/a.onnx").made_of_another


def test_what_is_no_float_classifier_is_refused_before_anything_is_written(tmp_path):
    model = tiny_vit(num_classes=2, image_size=32)
    saved_model.write(Classifier.of(model), tmp_path / "served" / "1")
    place = tmp_path / "new" / "a.onnx"
    with pytest.raises(ValueError, match="exported already.*'served'"):
        export(tmp_path / "served", place, "onnx")
    with pytest.raises(FileNotFoundError, match="No such file or folder|no such file"):
        export(tmp_path / "nothing", place, "onnx")
    with pytest.raises(TypeError, match="Expected a Keras model.*Received: int"):
        export(3, place, "onnx")
    with pytest.raises(TypeError, match="data must be.*Received: "):
        stream = tf.data.Dataset.from_tensors(np.zeros((32, 32, 3)))
        export(model, place, "onnx", split=stream)
    assert not place.parent.exists()


def numbered(count, first=0):
    pixels = np.zeros((count, 2, 2, 3), np.float32)
    pixels[:, 0, 0, 0] = np.arange(first, first + count) / 8
    return Split(pixels, np.arange(count) % 5)


def found(split, calibration=None, quantize="none", source=None):
    return images.images_of(
        Classifier.of(tiny_vit()),
        split,
        calibration,
        source=source,
        quantize=quantize,
    )


def test_images_are_given_by_data_set_split_or_arrays(tmp_path):
    train, test = numbered(60, 500), numbered(55)
    dataset = Dataset("numbers", train, test, NAMES)
    one = found(dataset)
    assert one.source == "numbers, test"
    np.testing.assert_array_equal(one.reported.images, test.images)
    assert found(dataset, source="mine").source == "mine"
    for given in (test, (test.images, test.labels)):
        assert found(given).source == "the given split"
        np.testing.assert_array_equal(found(given).reported.labels, test.labels)
    arrays = {"train_images": train.images, "train_labels": train.labels}
    arrays |= {"test_images": test.images, "test_labels": test.labels}
    np.savez(tmp_path / "data.npz", **arrays)
    for given in (dataset, str(tmp_path / "data.npz"), tmp_path / "data.npz"):
        one = found(given, given, "int8")
        assert len(one.reported) == len(one.judging) == 55
        assert set(one.calibrating.images[:, 0, 0, 0]) <= set(train.images[:, 0, 0, 0])
        assert one.source.endswith(", test")
    with pytest.raises(ValueError, match="Labels must lie in"):
        found(Split(test.images, test.labels + 1))


def test_files_behind_a_name_are_read_as_the_model_reads_them(tmp_path, monkeypatch):
    seen = []

    def split_of(data, **options):
        seen.append((data, options))
        return keras_vit.data.inputs.NamedSplit(numbered(55))

    monkeypatch.setattr(images, "split_of", split_of)
    decoding = Decoding("0:4095", "black")
    classifier = dataclasses.replace(Classifier.of(tiny_vit()), decoding=decoding)
    images.images_of(classifier, "a", "b", source=None, quantize="int8")
    assert seen == [
        ("a", {"split": "test", "decoding": decoding}),
        ("b", {"split": "train", "decoding": decoding}),
    ]


def one_output(rng):
    pixels = keras.Input((12, 20, 3))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(flat))
    return Classifier.of(model, class_names=("not cat", "cat"))


def softmax(rng):
    return Classifier.of(randomize(tiny_vit(), rng), class_names=NAMES)


def sigmoid(rng):
    model = randomize(tiny_vit(image_size=(48, 16), num_classes=3), rng)
    return dataclasses.replace(Classifier.of(model), activation="sigmoid")


@pytest.mark.parametrize("make", [softmax, sigmoid, one_output])
def test_a_saved_model_is_read_back_as_the_classifier_that_it_was_made_of(
    make, tmp_path, rng
):
    classifier = dataclasses.replace(
        make(rng),
        preprocessing=resolve("timm:0.95"),
        decoding=Decoding((0, 1000), "black", 5_000_000),
    )
    saved_model.write(classifier, tmp_path / "1")
    read = Classifier.of(tmp_path)
    pixels = rng.integers(0, 256, (4, *classifier.image_size, 3)).astype(np.float32)
    for name in ("class_names", "activation", "preprocessing", "decoding"):
        assert getattr(read, name) == getattr(classifier, name), name
    assert read.image_size == classifier.image_size
    assert read.num_classes == classifier.num_classes
    logits = classifier.model.predict_on_batch(pixels).astype(np.float64)
    powers = np.exp(logits)
    expected = powers / powers.sum(1, keepdims=True)
    if classifier.activation == "sigmoid":
        expected = powers / (1 + powers)
    np.testing.assert_allclose(read.probabilities(pixels), expected, atol=1e-5)

    note = tmp_path / "1" / "assets" / "preprocessing.json"
    fields = json.loads(note.read_text())
    assert fields.pop("activation") == classifier.activation
    note.write_text(json.dumps(fields))  # as earlier versions wrote it
    assert Classifier.of(tmp_path).activation == classifier.activation
    note.write_text(json.dumps(fields | {"activation": "relu"}))
    with pytest.raises(ValueError, match="softmax or sigmoid. Received: 'relu'"):
        Classifier.of(tmp_path)


def test_the_preprocessing_of_a_classifier_goes_before_the_models_own(tmp_path):
    own = Classifier.of(tiny_vit())
    other = dataclasses.replace(own, preprocessing=PRESETS["dinov2"])
    path = export(other, tmp_path / "a.onnx", "onnx")
    notes = {one.key: one.value for one in onnx.load(path).metadata_props}
    fields = json.loads(notes["preprocessing.json"])
    assert fields["arithmetic"] == "transformers"
    assert fields["activation"] == "softmax"
