import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from keras_vit.data import Split
from keras_vit.data.joined import Joined
from keras_vit.training.class_weights import check_class_weights, class_weights

NAMES = ("cat", "dog", "horse")


def split_of(labels):
    return Split(np.zeros((len(labels), 2, 2, 3), np.uint8), np.asarray(labels))


@pytest.mark.parametrize("counts", [(5, 5, 5), (1, 2, 300), (40, 1, 7)])
def test_balanced_weights_are_those_of_scikit_learn(counts):
    labels = np.repeat([0, 1, 2], counts)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = class_weights("balanced", split_of(labels), NAMES)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
    assert abs(found[labels].mean() - 1) < 1e-5
    one_hot = split_of(np.eye(3, dtype=int)[labels])
    np.testing.assert_array_equal(class_weights("balanced", one_hot, NAMES), found)


def test_a_class_without_images_changes_nothing_for_the_others():
    labels = np.repeat([0, 2], [6, 2])
    found = class_weights("balanced", split_of(labels), NAMES)
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=labels)
    np.testing.assert_allclose(found, [expected[0], 1, expected[1]], rtol=1e-6)


def test_weights_by_name_leave_the_other_classes_as_they_are():
    found = class_weights({"horse": 2, "cat": 0.5}, split_of([0, 1, 2]), NAMES)
    np.testing.assert_array_equal(found, np.array([0.5, 1, 2], np.float32))


def test_of_soft_labels_the_likeliest_class_counts():
    soft = np.array([[0.9, 0.1, 0], [0.8, 0.1, 0.1], [0.1, 0.3, 0.6]], np.float32)
    joined = Joined((split_of([0, 0, 2]),), np.arange(3), soft)
    np.testing.assert_array_equal(
        class_weights("balanced", joined, NAMES),
        class_weights("balanced", split_of([0, 0, 2]), NAMES),
    )


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ("even", ValueError, "such as cat:2.0. Received: class_weights='even'"),
        ([1.0, 2.0, 3.0], TypeError, "a dict of numbers by class name. .* list"),
        ({"cat": "2"}, TypeError, "Received: '2' for 'cat'"),
        ({"cat": True}, TypeError, "Received: True for 'cat'"),
        ({"cat": -1.0}, ValueError, "at least 0. Received: -1.0 for 'cat'"),
        ({"cat": float("nan")}, ValueError, "finite"),
        ({"hose": 2.0}, ValueError, "'dog', 'horse'. .*: 'hose'. Did you mean 'horse'"),
        ({"cat": 0, "dog": 0.0, "horse": 0}, ValueError, "0 for every class"),
    ],
)
def test_what_are_no_weights_is_refused(weights, error, message):
    with pytest.raises(error, match=message):
        class_weights(weights, split_of([0, 1, 2]), NAMES)


def test_no_weights_can_be_refused_before_there_is_a_data_set():
    check_class_weights({"whatever": 2.0})
    with pytest.raises(ValueError, match="must be 'balanced'"):
        check_class_weights("none")


def test_multi_label_images_have_no_class_weights():
    split = split_of(np.array([[1, 1, 0], [0, 0, 0]]))
    for weights in ("balanced", {"cat": 2.0}):
        with pytest.raises(ValueError, match="class_weights=.* one class each"):
            class_weights(weights, split, NAMES)
