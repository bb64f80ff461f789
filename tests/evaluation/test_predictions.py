"""The whole split, whatever the batch and whoever computes it."""

import json
import subprocess

import numpy as np
import pytest

import keras_vit
from keras_vit import evaluation
from keras_vit.data import Split
from keras_vit.evaluation import Predictions, evaluate, predictions_of
from keras_vit.model_files import save_model
from support.models import randomize, tiny_vit
from support.programs import environment, program
from support.scripted import Scripted


@pytest.fixture(scope="module")
def classifier(test_split):
    """A model of the embedded data whose answers depend on the images."""
    model = tiny_vit(image_size=28, patch_size=14, num_classes=10)
    randomize(model, np.random.default_rng(3))
    logits = model.predict_on_batch(test_split.images[:200].astype(np.float32))
    bias = model.get_layer("head").bias
    bias.assign(bias - logits.mean(0))
    return model


@pytest.fixture(scope="module")
def test_split():
    return keras_vit.data.load("fashion_mnist_sample").test


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_any_batch_gives_the_same_counts(classifier, test_split, count):
    split = test_split.subset(np.arange(count))
    first, *others = (evaluate(classifier, split, size) for size in (64, 1, 7, count))
    assert first.count == first.confusion.sum() == count
    assert (first.confusion.sum(0) > 0).sum() > 3  # answers do differ
    for other in others:
        assert (other.top1, other.top5) == (first.top1, first.top5)
        np.testing.assert_array_equal(other.confusion, first.confusion)
        assert other.loss == pytest.approx(first.loss, rel=1e-6)


@pytest.mark.slow
def test_two_replicas_give_the_counts_of_one(classifier, test_split, tmp_path):
    save_model(classifier, tmp_path / "model.keras", [str(k) for k in range(10)])
    run = subprocess.run(
        program("evaluate_on_replicas", tmp_path / "model.keras"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    top1, top5, loss, confusion = json.loads(run.stdout.splitlines()[-1])
    here = evaluate(classifier, test_split)
    assert (top1, top5) == (here.top1, here.top5)
    assert confusion == here.confusion.tolist()
    assert loss == pytest.approx(here.loss, rel=1e-6)


@pytest.mark.parametrize("several", [False, True])
def test_an_answer_is_right_if_sorting_all_logits_says_so(rng, several):
    logits = rng.integers(0, 4, (200, 7)).astype(np.float32)  # with many equal ones
    labels = rng.integers(0, 7, 200)
    if several:
        labels = rng.integers(0, 2, (200, 7))
    answers = Predictions(logits, labels)
    for top in (1, 2, 5, 7):
        expected = []
        for row, label in zip(logits, labels, strict=True):
            best = sorted(range(7), key=lambda k, row=row: (-row[k], k))[:top]
            mine = np.flatnonzero(label) if several else [label]
            expected.append(any(k in mine for k in best))
        np.testing.assert_array_equal(answers.correct(top), expected)


def test_parts_of_answers_are_all_of_them(rng, monkeypatch):
    monkeypatch.setattr("keras_vit.evaluation.predictions.AT_ONCE", 30)
    answers = Predictions(rng.normal(size=(101, 7)), rng.integers(0, 7, 101))
    parts = [*answers.parts()]
    assert [len(part) for part in parts] == 25 * [4] + [1]
    joined = np.concatenate([part.logits for part in parts])
    np.testing.assert_array_equal(joined, answers.logits)
    expected = np.equal(answers.logits.argmax(1), answers.labels)
    np.testing.assert_array_equal(answers.correct(), expected)


def test_images_of_several_classes_are_answered_by_sigmoid(rng):
    images = rng.integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, (6, 5))
    model = randomize(tiny_vit(), rng)
    answers = predictions_of(model, Split(images, labels), 4)
    expected = np.asarray(model(images.astype(np.float32)))
    np.testing.assert_allclose(answers.logits, expected, rtol=1e-4, atol=1e-5)
    assert answers.activation == "sigmoid"
    assert answers.multi_label
    np.testing.assert_allclose(
        answers.probabilities(), 1 / (1 + np.exp(-answers.logits)), rtol=1e-6
    )


def test_a_strategy_is_refused_where_it_cannot_serve():
    split = np.zeros((3, 1, 1, 3), np.uint8), np.zeros(3, int)
    with pytest.raises(ValueError, match="no strategy for a SavedModel"):
        predictions_of(Scripted(np.zeros((1, 2))), split, strategy="mirrored")
    with pytest.raises(ValueError, match="strategy must be one of"):
        predictions_of(tiny_vit(), split, strategy="two")


OLD = {
    "Answers": evaluation.Predictions,
    "answers_of": evaluation.predictions_of,
    "Tally": evaluation.MetricSums,
}


@pytest.mark.parametrize("name", OLD)
def test_old_names_go_on_with_a_warning_that_says_the_new_one(name):
    new = OLD[name].__name__
    with pytest.warns(DeprecationWarning, match=f"{name} is called {new} now"):
        assert getattr(evaluation, name) is OLD[name]
    with pytest.raises(AttributeError, match="has no attribute 'Replies'"):
        evaluation.Replies  # noqa: B018


def test_old_methods_and_fields_go_on_with_a_warning(rng):
    found = Predictions(rng.normal(size=(9, 3)), np.arange(9) % 3, "sigmoid")
    with pytest.warns(DeprecationWarning, match="Predictions.right is called correct"):
        np.testing.assert_array_equal(found.right(2), found.correct(2))
    with pytest.warns(DeprecationWarning, match="Predictions.best is called argmax"):
        np.testing.assert_array_equal(found.best(), found.argmax())
    with pytest.warns(DeprecationWarning, match="Predictions.loss is called activat"):
        assert found.loss == "sigmoid"
    with pytest.warns(DeprecationWarning, match="several is called multi_label"):
        assert found.several is False
    with pytest.warns(DeprecationWarning, match="keeps is called keep_logits"):
        evaluation.MetricSums(3, keeps=True)
