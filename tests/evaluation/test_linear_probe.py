import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from keras_vit.evaluation import linear_probe
from keras_vit.evaluation.logistic_regression import _Probe


@pytest.fixture
def parts(rng):
    """Training, dev and test images of three classes that overlap."""
    labels = rng.integers(0, 3, 360)
    features = rng.normal(5, 1, size=(360, 8))
    features[:, :3] += 2 * np.eye(3)[labels]
    features[:, 7] = 4  # a feature that never changes
    return [(features[i::3], labels[i::3]) for i in range(3)]


def standardised(x, like):
    """By the mean and the deviation of others, in which feature 7 never changes."""
    return (x - like.mean(0)) / (like.std(0) + (np.arange(8) == 7))


@pytest.mark.parametrize("l2", [100.0, 1.0, 0.1])
def test_the_regression_is_where_its_gradient_vanishes(parts, l2):
    (x, y), _, _ = parts
    probe = _Probe(x, y)
    probe.correct(x, y, 1e4)  # it goes on from there
    correct = probe.correct(x, y, l2)
    w, b = probe._model.coef_.T, probe._model.intercept_
    x = standardised(x, x)
    scores = x @ w + b
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    slope = x.T @ (p - np.eye(3)[y]) + l2 * w
    assert np.abs(slope).max() / len(x) < 1e-3
    np.testing.assert_array_equal(correct, scores.argmax(1) == y)


def test_the_best_on_dev_is_fitted_to_both_and_tested(parts):
    train, dev, test = parts
    found = linear_probe(train, dev, test)
    best = max(right.sum() for right in found.searched.values())
    assert found.searched[found.l2].sum() == best
    assert {1e6, 1e4, 1e2} <= set(found.searched)
    both = [np.concatenate(pair) for pair in zip(train, dev, strict=True)]
    regression = LogisticRegression(C=1 / found.l2, max_iter=1000)
    regression.fit(standardised(both[0], both[0]), both[1])
    answers = regression.predict(standardised(test[0], both[0]))
    np.testing.assert_array_equal(found.correct, answers == test[1])
    assert 0.6 < found.accuracy < 1


def test_steps_about_the_best_are_an_eighth_of_a_power_of_ten(parts):
    powers = np.log10(sorted(linear_probe(*parts).searched))
    assert np.diff(powers).min() == pytest.approx(0.125)


def test_the_same_features_give_the_same_probe(parts):
    first, second = linear_probe(*parts), linear_probe(*parts)
    assert first.l2 == second.l2
    np.testing.assert_array_equal(first.correct, second.correct)


def test_one_class_is_nothing_to_learn(parts):
    features = parts[0][0]
    one = features, np.zeros(len(features), int)
    with pytest.raises(ValueError, match="two classes or more.*Received: 1"):
        linear_probe(one, one, one)
