import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from keras_vit.evaluation import neighbours as ask_neighbours


@pytest.fixture
def data(rng):
    labels = rng.integers(0, 5, 300)
    features = rng.normal(size=(300, 6)) + 1.5 * np.eye(6)[labels]
    features = features * rng.uniform(0.1, 9, (300, 1))
    return (features[:200], labels[:200]), (features[200:], labels[200:])


COUNTS = (1, 20, 7, 200)
OF_SKLEARN = {
    "plain": "uniform",
    "weighted": lambda distances: np.exp((1 - distances) / 0.07),
}


@pytest.mark.parametrize("vote", OF_SKLEARN)
def test_answers_are_those_of_scikit_learn(vote, data):
    train, test = data
    found = ask_neighbours(train, test, 5, COUNTS)
    for row, count in enumerate(COUNTS):
        other = KNeighborsClassifier(
            count, metric="cosine", algorithm="brute", weights=OF_SKLEARN[vote]
        ).fit(*train)
        np.testing.assert_array_equal(
            found.predictions[vote][row], other.predict(test[0])
        )
        assert found.accuracy(vote)[row] == other.score(*test)


def test_few_images_at_a_time_give_the_same_answers(data, monkeypatch):
    whole = ask_neighbours(*data, 5, COUNTS)
    monkeypatch.setitem(ask_neighbours.__globals__, "AT_ONCE", 1000)  # five at a time
    parts = ask_neighbours(*data, 5, COUNTS)
    for vote, answers in whole.predictions.items():
        np.testing.assert_array_equal(parts.predictions[vote], answers)


def test_a_training_image_is_its_own_nearest(data):
    train, _ = data
    assert ask_neighbours(train, train, 5, (1,)).accuracy() == [1]


def test_more_neighbours_than_images_are_refused(data):
    with pytest.raises(ValueError, match="from 1 to 200 neighbours.*201"):
        ask_neighbours(*data, 5, (1, 201))
