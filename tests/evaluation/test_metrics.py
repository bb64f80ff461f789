import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn import metrics as sklearn_metrics

from keras_vit.data import Split
from keras_vit.data.preprocessing import preprocess
from keras_vit.evaluation import (
    MetricSums,
    Predictions,
    evaluate,
    evaluation_of,
    features_of,
    robustness,
    write_report,
)
from keras_vit.exporting import export
from keras_vit.prediction import predict
from keras_vit.preprocessing import resolve
from support.scripted import Scripted


def split_of(labels):
    images = np.zeros((len(labels), 1, 1, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return Split(images, np.asarray(labels))


def test_metrics_equal_those_of_keras(rng):
    logits, labels = rng.normal(size=(103, 8)), rng.integers(0, 8, 103)
    result = evaluate(Scripted(logits), split_of(labels), batch_size=10)
    targets = labels, logits.astype("float32")
    entropy = keras.losses.sparse_categorical_crossentropy(*targets, from_logits=True)
    top = keras.metrics.sparse_top_k_categorical_accuracy
    assert result.count == 103
    assert result.loss == pytest.approx(float(np.mean(entropy)), rel=1e-6)
    assert result.top1 == pytest.approx(float(np.mean(top(*targets, k=1))))
    assert result.top5 == pytest.approx(float(np.mean(top(*targets, k=5))))
    expected = np.zeros((8, 8), int)
    for label, answer in zip(labels, logits.argmax(1), strict=True):
        expected[label, answer] += 1
    np.testing.assert_array_equal(result.confusion, expected)


def test_the_batch_size_changes_nothing(rng):
    model = Scripted(rng.normal(size=(101, 8)))
    split = split_of(rng.integers(0, 8, 101))
    results = [
        evaluate(model, split, batch_size) for batch_size in (1, 7, 64, 101, 200)
    ]
    for result in results[1:]:
        assert (result.top1, result.top5) == (results[0].top1, results[0].top5)
        assert result.loss == pytest.approx(results[0].loss, rel=1e-12)
        np.testing.assert_array_equal(result.confusion, results[0].confusion)


class Watched(Scripted):
    """A model that remembers what it saw, and carries a preprocessing."""

    def __init__(self, preprocessing=None):
        super().__init__(np.zeros((1, 2)), (8, 8))
        self.preprocessing = preprocessing and resolve(preprocessing)

    def predict_on_batch(self, images):
        self.seen = images
        return np.zeros((len(images), 2), np.float32)

    probabilities = predict_on_batch


@pytest.mark.parametrize(
    ("own", "given", "counts"),
    [
        (None, None, "vit_jax"),
        ("timm:0.5", None, "timm:0.5"),
        ("timm:0.5", "big_vision:0.8", "big_vision:0.8"),
        ("timm:0.5", resolve("vit_jax"), "vit_jax"),
    ],
)
def test_images_are_resized_as_the_model_was_evaluated_or_as_is_said(
    rng, own, given, counts, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    images = rng.integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    model = Watched(own)
    evaluate(model, (images, np.zeros(3, int)), 3, preprocessing=given)
    expected = [preprocess(one, (8, 8), resolve(counts)) for one in images]
    np.testing.assert_array_equal(model.seen, np.stack(expected))
    paths = [f"{number}.png" for number in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    predict(model, paths, preprocessing=given)
    np.testing.assert_array_equal(model.seen, np.stack(expected))


def test_equal_logits_are_no_right_answer_for_every_class():
    result = evaluate(Scripted(np.zeros((10, 10))), split_of(np.arange(10)))
    assert result.top1 == 0.1
    assert result.top5 == 0.5
    assert result.confusion[:, 0].sum() == 10


def test_fewer_than_five_classes_have_a_top_five_of_one(rng):
    result = evaluate(Scripted(rng.normal(size=(9, 3))), split_of([0, 1, 2] * 3))
    assert result.top5 == 1


def test_logits_that_are_not_finite_are_no_answer():
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        evaluate(Scripted([[np.nan, 0.0]]), split_of([0]))


def test_a_label_that_the_model_does_not_have_is_refused(rng):
    for label in (3, -1):
        with pytest.raises(ValueError, match=rf"\[0, 3\).*a label of {label}"):
            evaluate(Scripted(rng.normal(size=(4, 3))), split_of([0, 1, 2, label]))


def test_batches_of_a_stream_are_refused_with_what_to_do(rng):
    stream = tf.data.Dataset.from_tensor_slices(np.zeros((2, 4, 4, 3))).batch(2)
    model = Scripted(rng.normal(size=(4, 3)))
    for measure in (evaluate, features_of, robustness, export_to_nowhere):
        with pytest.raises(TypeError, match="data must be a data set's name.*stream"):
            measure(model, stream)


def export_to_nowhere(model, split):
    model = keras.Sequential([keras.Input((1, 1, 3)), keras.layers.Flatten()])
    export(model, "nowhere", split=split)


def test_a_report_holds_the_numbers_and_the_picture(rng, tmp_path):
    result = evaluate(Scripted(rng.normal(size=(30, 3))), split_of([0, 1, 2] * 10))
    write_report(result, ("cat", "dog", "owl"), tmp_path)
    numbers = json.loads((tmp_path / "evaluation.json").read_text())
    assert numbers["top1"] == result.top1
    assert numbers["confusion"] == result.confusion.tolist()
    assert numbers["class_names"] == ["cat", "dog", "owl"]
    assert (tmp_path / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_images_of_several_classes_are_right_with_any_of_them(rng, loss):
    logits = rng.normal(size=(50, 12))
    labels = (rng.random((50, 12)) < 0.2).astype(int)
    tally = MetricSums(12, loss, multi_label=True)
    for part in np.split(np.arange(50), [20, 33]):
        tally.add(logits[part], labels[part])
    result = tally.result()
    assert result.confusion is None
    right = [labels[i, logits[i].argmax()] for i in range(50)]
    five = [labels[i, np.argsort(logits[i])[-5:]].any() for i in range(50)]
    assert (result.top1, result.top5) == (np.mean(right), np.mean(five))
    if loss == "softmax":
        log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        expected = -(labels * log_p).sum(1).mean()
    else:
        p = 1 / (1 + np.exp(-logits))
        each = labels * np.log(p) + (1 - labels) * np.log(1 - p)
        expected = -each.sum(1).mean()
    assert result.loss == pytest.approx(expected)


def test_f1_and_the_accuracy_of_each_class_are_scikit_learns(rng):
    logits, labels = rng.normal(size=(200, 9)), rng.integers(0, 6, 200)
    logits[:, 8] = -9  # is never answered, and never true, as 6 and 7 are not
    result = evaluation_of(Predictions(logits.astype(np.float32), labels))
    best = logits.argmax(1)
    expected = sklearn_metrics.f1_score(labels, best, average="macro")
    assert result.macro_f1 == pytest.approx(expected)
    recall = sklearn_metrics.recall_score(
        labels, best, labels=range(6), average=None, zero_division=0
    )
    np.testing.assert_allclose(result.class_accuracy[:6], recall)
    assert np.isnan(result.class_accuracy[6:]).all()
    np.testing.assert_array_equal(result.confusion.diagonal(), result.classes[2])


def test_images_of_several_classes_have_scikit_learns_precision_and_f1(rng):
    labels = (rng.random((300, 8)) < 0.15).astype(int)
    labels[:, 7] = 0  # a class of no image
    logits = np.round(rng.normal(size=(300, 8)) + labels, 1)  # many are equal
    result = evaluation_of(Predictions(logits.astype(np.float32), labels, "sigmoid"))
    expected = np.mean(
        [
            sklearn_metrics.average_precision_score(labels[:, k], logits[:, k])
            for k in range(7)
        ]
    )
    assert result.mean_average_precision == pytest.approx(expected)
    answered = logits > 0
    expected = sklearn_metrics.f1_score(
        labels, answered, average="macro", zero_division=0
    )
    assert result.macro_f1 == pytest.approx(expected)
    recall = sklearn_metrics.recall_score(
        labels, answered, average=None, zero_division=np.nan
    )
    np.testing.assert_allclose(result.class_accuracy, recall)


def test_images_without_any_class_have_no_precision():
    logits = np.ones((4, 3), np.float32)
    result = evaluation_of(Predictions(logits, np.zeros((4, 3), int), "sigmoid"))
    assert result.mean_average_precision is None and result.auroc is None
    assert result.without_auroc == 3
    assert result.macro_f1 == 0  # all are answered, none is right


def test_tallies_add_up(rng):
    logits, labels = rng.normal(size=(90, 6)), rng.integers(0, 6, 90)
    whole, parts = MetricSums(6), [MetricSums(6) for _ in range(3)]
    whole.add(logits, labels)
    for number, part in enumerate(parts):
        part.add(logits[number::3], labels[number::3])
    for other in parts[1:]:
        parts[0].numbers += other.numbers
    total, expected = parts[0].result(), whole.result()
    assert (total.top1, total.top5) == (expected.top1, expected.top5)
    assert total.loss == pytest.approx(expected.loss)
    np.testing.assert_array_equal(total.classes, expected.classes)
    np.testing.assert_array_equal(total.confusion, expected.confusion)


def test_mistakes_are_the_images_of_another_class_whatever_the_batches(rng):
    logits = rng.normal(size=(40, 3)).astype(np.float32)
    labels = rng.integers(0, 3, 40)
    sums = MetricSums(3)
    for start in range(0, 40, 7):
        sums.add(logits[start : start + 7], labels[start : start + 7])
    found = sums.whole().mistakes
    wrong = [i for i in range(40) if logits[i].argmax() != labels[i]]
    assert found.indices.tolist() == wrong
    matrix = sums.whole().confusion
    for label, predicted, images in found.pairs(9):
        assert label != predicted
        assert matrix[label, predicted] == images
        own = [i for i in wrong if labels[i] == label]
        own = [i for i in own if logits[i].argmax() == predicted]
        own.sort(key=lambda i: logits[i, labels[i]] - logits[i].max())
        assert found.of_pair(label, predicted, 2) == own[:2]
    counts = [images for *_, images in found.pairs(9)]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == len(wrong)


def test_mistakes_are_unknown_where_others_have_seen_images(rng):
    sums = MetricSums(3)
    sums.add(rng.normal(size=(4, 3)), np.zeros(4, int))
    sums.numbers *= 2  # as if another worker had seen as many
    assert sums.whole().mistakes is None
    several = MetricSums(3, "sigmoid", multi_label=True)
    several.add(rng.normal(size=(4, 3)), np.ones((4, 3), int))
    assert several.whole().mistakes is None
