import re

import numpy as np
import pytest

from keras_vit.data import Dataset, Split
from keras_vit.training.evaluated_splits import evaluated_splits


def split_of(count, seed):
    images = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return Split(images, np.arange(count) % 2)


def dataset(validation=None):
    third = None if validation is None else split_of(validation, 2)
    return Dataset("photos", split_of(60, 0), split_of(8, 1), ("cat", "dog"), third)


def test_a_validation_split_is_evaluated_on_the_way_and_the_test_split_once():
    found = evaluated_splits(dataset(validation=6), chooses=True)
    assert (found.on_the_way, found.at_the_end) == ("validation", "test")
    assert len(found.dataset.train) == 60
    assert found.notes == (
        "The validation split (6 images) is evaluated on the way, the test split (8 "
        "images) once, at the end.",
    )


def test_a_fraction_is_taken_where_there_is_none():
    found = evaluated_splits(dataset(), validation=0.2)
    assert (found.on_the_way, found.at_the_end) == ("validation", "test")
    taken = len(found.dataset.validation)
    assert 8 <= taken <= 16 and len(found.dataset.train) == 60 - taken
    assert found.notes[0] == f"{taken} of 60 training images are taken for validation."


def test_a_split_of_its_own_comes_before_a_fraction():
    whole = dataset(validation=6)
    found = evaluated_splits(whole, validation=0.2)
    assert found.dataset is whole
    assert "validation=0.2 is not used, as photos has a validation" in found.notes[0]


@pytest.mark.parametrize("chooses", [False, True])
def test_without_either_the_test_split_is_evaluated_and_chooses(chooses):
    whole = dataset()
    found = evaluated_splits(whole, chooses=chooses)
    assert (found.on_the_way, found.at_the_end) == ("test", "test")
    assert found.dataset is whole
    assert bool(found.notes) == chooses
    if chooses:
        assert "so the test split chooses" in found.notes[0]


@pytest.mark.parametrize("name", ["test", "train[80%:]", "validation", "test[:4]"])
def test_a_split_that_is_named_is_evaluated_and_no_other(name):
    found = evaluated_splits(dataset(validation=6), name, chooses=True)
    assert (found.on_the_way, found.at_the_end, found.notes) == (name, name, ())


def test_the_split_that_a_fraction_makes_can_be_named():
    found = evaluated_splits(dataset(), "validation", 0.2)
    assert (found.on_the_way, found.at_the_end) == ("validation", "validation")
    assert found.dataset.validation is not None


@pytest.mark.parametrize(
    ("eval_split", "validation", "error", "message"),
    [
        ("test", 0.1, ValueError, "Received: validation=0.1, eval_split=test. Leave"),
        ("train[98%:]", 0.1, ValueError, "eval_split=train[98%:]"),
        ("validation", None, ValueError, "Expected a split of the data set 'photos'"),
        ("dev", None, ValueError, "split must be train, validation or test"),
        (None, 1.0, ValueError, "validation must lie above 0 and below 1"),
        (None, 0.001, ValueError, "must be at least one of the training images"),
        (None, "0.1", TypeError, "validation must be the fraction"),
    ],
)
def test_what_does_not_go_together_is_refused(eval_split, validation, error, message):
    with pytest.raises(error, match=re.escape(message)):
        evaluated_splits(dataset(), eval_split, validation)
