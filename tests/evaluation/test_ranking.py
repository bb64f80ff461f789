"""How well scores order images, as scikit-learn has it, and what is told first."""

import json
import tracemalloc

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from keras_vit.evaluation import MetricSums, Predictions, evaluation_of
from keras_vit.evaluation.headline import headline, without_area
from keras_vit.evaluation.ranking import auroc, ranking
from keras_vit.evaluation.report import numbers_of


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.fixture
def several(rng):
    """Labels of 300 images, of which nothing shows one class and all show another."""
    labels = (rng.random((300, 8)) < 0.15).astype(int)
    labels[:, 6], labels[:, 7] = 0, 1
    logits = np.round(rng.normal(size=(300, 8)) + labels, 1)  # many are equal
    return Predictions(logits.astype(np.float32), labels, "sigmoid")


def test_several_classes_an_image_have_scikit_learns_areas(several):
    found = evaluation_of(several)
    expected = [
        sklearn_metrics.roc_auc_score(several.labels[:, k], several.logits[:, k])
        for k in range(6)
    ]
    np.testing.assert_allclose(found.ranking.auroc[:6], expected, rtol=1e-12)
    assert np.isnan(found.ranking.auroc[6:]).all() and found.without_auroc == 2
    assert found.auroc == pytest.approx(np.mean(expected))
    precisions = sklearn_metrics.average_precision_score(
        several.labels[:, [0, 1, 2, 3, 4, 5, 7]],
        several.logits[:, [0, 1, 2, 3, 4, 5, 7]],
    )
    assert found.mean_average_precision == pytest.approx(precisions)
    assert "AUROC over 6 of 8 classes" in without_area(found)


def test_classes_against_all_others_have_scikit_learns_area(rng):
    labels = np.arange(200) % 5
    logits = (rng.normal(size=(200, 5)) + np.eye(5)[labels]).astype(np.float32)
    found = evaluation_of(Predictions(logits, labels))
    expected = sklearn_metrics.roc_auc_score(
        labels, softmax(logits.astype(np.float64)), multi_class="ovr"
    )
    assert found.auroc == pytest.approx(expected, rel=1e-12)
    assert found.without_auroc == 0 and without_area(found) is None
    assert found.mean_average_precision is None


def test_two_classes_have_scikit_learns_area_sensitivity_and_specificity(rng):
    labels = (rng.random(300) < 0.2).astype(int)
    logits = rng.normal(size=(300, 2)).astype(np.float32)
    logits[:, 1] += labels
    found = evaluation_of(Predictions(logits, labels))
    answered = logits.argmax(1)
    expected = {
        "auroc": sklearn_metrics.roc_auc_score(labels, softmax(logits)[:, 1]),
        "sensitivity": sklearn_metrics.recall_score(labels, answered),
        "specificity": sklearn_metrics.recall_score(labels, answered, pos_label=0),
    }
    told = {one.metric: one for one in headline(found, ("benign", "malignant"))}
    assert list(told) == ["top1", *expected]  # five of two answers say nothing
    for name, value in expected.items():
        assert told[name].value == pytest.approx(value)
    assert told["sensitivity"].label == "sensitivity (malignant)"


def test_the_specificity_of_each_class_is_scikit_learns(several):
    found = evaluation_of(several)
    answered = several.logits > 0
    matrices = sklearn_metrics.multilabel_confusion_matrix(several.labels, answered)
    negatives = matrices[:7, 0]
    np.testing.assert_allclose(
        found.class_specificity[:7], negatives[:, 0] / negatives.sum(1)
    )
    assert np.isnan(found.class_specificity[7])


def test_of_several_classes_an_image_top_1_is_not_what_is_told_first(several):
    told = [one.label for one in headline(evaluation_of(several))]
    assert told == ["mAP", "macro AUROC", "top-1", "top-5"]
    untrained = Predictions(np.zeros((300, 8), np.float32), several.labels, "sigmoid")
    first, second, *_ = headline(evaluation_of(untrained))
    assert second.value == 0.5  # where top-5 says 100 %
    assert first.value == pytest.approx(several.labels[:, several.labels.any(0)].mean())


def test_equal_scores_count_one_half():
    assert auroc(np.zeros(5), np.array([1, 0, 0, 1, 0])) == 0.5
    assert np.isnan(auroc(np.arange(3.0), np.ones(3)))
    assert np.isnan(auroc(np.arange(3.0), np.zeros(3)))


def test_undefined_numbers_are_none_in_json(several):
    numbers = json.loads(json.dumps(numbers_of(evaluation_of(several), "abcdefgh")))
    assert numbers["without_auroc"] == 2
    assert numbers["ranking"]["auroc"][6:] == [None, None]
    assert numbers["ranking"]["average_precision"][6] is None
    nothing = Predictions(np.ones((4, 3), np.float32), np.zeros((4, 3), int), "sigmoid")
    numbers = json.loads(json.dumps(numbers_of(evaluation_of(nothing), "abc")))
    assert numbers["mean_average_precision"] is None and numbers["auroc"] is None


def test_a_tally_that_keeps_logits_ranks_them_all(several):
    keeping, plain = (
        MetricSums(8, "sigmoid", True, keep_logits=True),
        MetricSums(8, "sigmoid", True),
    )
    for tally in (keeping, plain):
        for part in np.array_split(np.arange(300), 7):
            tally.add(several.logits[part], several.labels[part])
    expected = evaluation_of(several)
    assert keeping.whole().auroc == expected.auroc
    assert keeping.whole().mean_average_precision == expected.mean_average_precision
    assert plain.whole().ranking is None
    keeping.numbers += plain.numbers  # as of another worker, whose logits are not here
    assert keeping.whole().ranking is None


def test_ranking_takes_the_memory_of_columns():
    """20,000 images of 100 classes: 8 MB of logits, and no table of pairs."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 100)).astype(np.float32)
    answers = Predictions(logits, rng.integers(0, 100, 20_000))
    tracemalloc.start()
    found = ranking(answers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * logits.nbytes
    assert abs(found.auroc.mean() - 0.5) < 0.01
