import json

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from keras_vit.data import Dataset, Files, Split
from keras_vit.evaluation import Predictions, read_labels
from keras_vit.evaluation.labels import RealLabels, Subset, check_order


def dataset(labels, class_names, names=None):
    labels = np.asarray(labels)
    split = Split(np.zeros((len(labels), 1, 1, 3), np.uint8), labels)
    if names:
        split = Files(names, labels)
    return Dataset("pets", split, split, class_names)


def written(path, content):
    path.write_text(json.dumps(content))
    return path


def test_an_answer_is_right_if_it_is_in_the_images_set(tmp_path):
    path = written(tmp_path / "real.json", [[], [1, 2], [0], [2], []])
    labels = read_labels(path, dataset([0, 0, 0, 1, 1], ("a", "b", "c")), 3)
    logits = np.eye(3, dtype=np.float32)[[0, 2, 1, 2, 1]]
    counted, right = labels.correct(Predictions(logits, np.zeros(5, int)))
    assert counted.tolist() == [1, 2, 3]
    assert right.tolist() == [True, False, True]


def test_images_that_bear_imagenets_numbers_are_found_by_them(tmp_path):
    names = [f"b/ILSVRC2012_val_0000000{n}.JPEG" for n in (3, 1)]
    names.append("a/ILSVRC2012_val_00000002.JPEG")  # in the order of a folder's classes
    path = written(tmp_path / "real.json", [[0], [1], [2]])
    pets = dataset([1, 1, 0], ("a", "b", "c"), names)
    assert read_labels(path, pets, 3) == RealLabels(((2,), (0,), (1,)))
    plain = dataset([1, 1, 0], ("a", "b", "c"), ["3.jpg", "1.jpg", "2.jpg"])
    assert read_labels(path, plain, 3) == RealLabels(((0,), (1,), (2,)))


def test_a_subset_is_evaluated_among_its_own_classes(rng, tmp_path):
    content = {"owl": [7, 2], "cat": 4, "dog": "poodle"}
    path = written(tmp_path / "map.json", content)
    names = [f"class {k}" for k in range(8)]
    names[1] = "poodle"
    pets = dataset([0, 1, 2], ("cat", "dog", "owl"))
    subset = read_labels(path, pets, 8, names)
    assert subset == Subset(((4,), (1,), (7, 2)), 8)
    logits, labels = rng.normal(size=(20, 8)), rng.integers(0, 3, 20)
    found = subset.restricted(Predictions(logits, labels))
    # Probabilities among the four classes, those that mean an owl being added.
    log_p = log_softmax(logits[:, [4, 1, 7, 2]], axis=1)
    expected = np.stack(
        [log_p[:, 0], log_p[:, 1], logsumexp(log_p[:, 2:], axis=1)], axis=1
    )
    np.testing.assert_allclose(log_softmax(found.logits, axis=1), expected, rtol=1e-6)
    np.testing.assert_array_equal(found.labels, labels)
    by_sigmoid = subset.restricted(Predictions(logits, labels, "sigmoid")).logits
    np.testing.assert_array_equal(by_sigmoid[:, 2], logits[:, [7, 2]].max(1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2", "is not JSON"),
        ("7", "a list with the classes of each image, or an object"),
        ([[0]], "for each of the 2 test images of pets. Received: 1"),
        ([[0], [3]], r"classes in \[0, 3\). Received for image 1: \[3\]"),
        ([[0], 1], r"Received for image 1: 1"),
        ([[0], [True]], r"Received for image 1: \[True\]"),
        ([[], []], "classes of some image"),
        ({"cat": 0}, "Missing: 'dog'. Unknown: none"),
        ({"cat": 0, "dog": 1, "cow": 2}, "Missing: none. Unknown: 'cow'"),
        ({"cat": 0, "dog": 3}, "numbers of the model's 3 classes. .*'dog': \\[3\\]"),
        ({"cat": 0, "dog": []}, r"Received for 'dog': \[\]"),
        ({"cat": 0, "dog": "a dog"}, r"Received for 'dog': \['a dog'\]"),
        ({"cat": [0, 1], "dog": 1}, "class 1 for both 'cat' and 'dog'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(content, message, tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_labels(path, dataset([0, 1], ("cat", "dog")), 3)


def test_an_unknown_name_is_refused_where_names_are_known(tmp_path):
    path = written(tmp_path / "map.json", {"cat": "tabby", "dog": "poodle"})
    with pytest.raises(ValueError, match="numbers or names .*'dog'"):
        read_labels(path, dataset([0, 1], ("cat", "dog")), 2, ("tabby", "pug"))


def test_some_of_a_models_classes_are_taken_for_images_of_one_class_alone(tmp_path):
    path = written(tmp_path / "map.json", {"cat": 1, "dog": 0})
    pets = dataset([[0, 1], [1, 1]], ("cat", "dog"))
    with pytest.raises(ValueError, match="pets, whose images can have several"):
        read_labels(path, pets, 8)


def test_the_same_classes_in_another_order_are_refused():
    with pytest.raises(ValueError, match="of x .* number 1: 'dog'. Received: 'owl'"):
        check_order("x", ("cat", "owl", "dog"), ("cat", "dog", "owl"))
    for class_names in (("cat", "dog"), ("chat", "chien"), None):
        check_order("x", class_names, ("cat", "dog"))
