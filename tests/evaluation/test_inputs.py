"""Every measurement takes what people have: models and data of any kind."""

import dataclasses
import inspect
import itertools
import shutil

import numpy as np
import pytest

import keras_vit
from keras_vit import data, evaluation
from keras_vit.classifier import Classifier
from keras_vit.evaluation import (
    Context,
    evaluate,
    features_of,
    predictions_of,
    resolutions,
    robustness,
    scaled,
)
from keras_vit.evaluation.inputs import class_order
from keras_vit.model_files import save_model
from keras_vit.weights.imagenet import imagenet_classes
from support.models import randomize, tiny_vit
from support.scripted import Scripted

NAMES = ("ant", "bee", "cat", "dog", "eel")
LABELS = np.arange(10) % 5


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(num_layers=1), np.random.default_rng(0))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (10, 16, 24, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def dataset(images):
    return data.from_arrays((images, LABELS), (images, LABELS), class_names=NAMES)


@pytest.fixture(scope="module")
def saved(model, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    (folder / "run").mkdir()
    save_model(model, folder / "run" / "model.keras", NAMES)
    halves = {"x_train": images, "y_train": LABELS, "x_test": images, "y_test": LABELS}
    np.savez(folder / "pets.npz", **halves)
    return folder


@pytest.fixture(autouse=True)
def folder(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return shutil.copytree(saved, tmp_path, dirs_exist_ok=True)


MODELS = {
    "a Keras model": lambda model: model,
    "a Classifier": lambda model: Classifier.of("run"),
    "a run's folder": lambda model: "run",
    "a file": lambda model: "~/run/model.keras",
}
DATA = {
    "a path": lambda dataset: "~/pets.npz",
    "a Dataset": lambda dataset: dataset,
    "a split": lambda dataset: dataset.test,
    "arrays": lambda dataset: (dataset.test.images, dataset.test.labels),
}
MEASURES = {
    "predictions_of": lambda model, data: predictions_of(model, data).logits,
    "evaluate": lambda model, data: evaluate(model, data).confusion,
    "features_of": lambda model, data: features_of(model, data, cache=False),
    "robustness": lambda model, data: robustness(model, data, ["fog"], [1]).correct,
    "resolutions": lambda model, data: resolutions(model, data, [4]).lost[0],
}


# A model that is loaded is traced anew; all measures take models in one way.
SLOW = [(measure, way) for measure in [*MEASURES][1:] for way in [*MODELS][:3]]


@pytest.mark.parametrize(
    ("measure", "way"),
    [
        pytest.param(*one, marks=pytest.mark.slow if one in SLOW else ())
        for one in itertools.product(MEASURES, MODELS)
    ],
)
def test_a_model_may_be_given_in_any_way(measure, way, model, dataset):
    measured = MEASURES[measure]
    found = measured(MODELS[way](model), dataset)
    expected = measured(model, dataset.test)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
def test_data_may_be_given_in_any_way(measure, model, dataset):
    measured = MEASURES[measure]
    expected = measured(model, dataset.test)
    for way in DATA.values():
        np.testing.assert_array_equal(measured(model, way(dataset)), expected)


def test_every_public_function_of_a_model_and_data_is_among_these():
    functions = {
        name
        for name, one in vars(evaluation).items()
        if inspect.isfunction(one) and {"model", "data"} <= {*_names(one)}
    }
    assert functions == {*MEASURES}


def _names(function):
    return inspect.signature(function).parameters


def test_a_data_set_is_evaluated_by_its_name():
    small = keras_vit.ViT(
        10, image_size=28, patch_size=14, num_layers=1, num_heads=1, hidden_dim=8,
        mlp_dim=8,
    )  # fmt: skip
    assert evaluate(small, "fashion_mnist_sample").count == 2000


@pytest.mark.parametrize(
    ("received", "says"),
    [
        (np.zeros((3, 16, 24, 3)), "numpy.ndarray.*Pass images with their labels"),
        (5, "Received: int"),
        (iter([]), "A stream"),
    ],
)
def test_what_is_no_data_is_refused_with_the_choices(model, received, says):
    with pytest.raises(TypeError, match=f"data must be a data set's name.*{says}"):
        evaluate(model, received)


def test_an_empty_split_is_refused(model, dataset):
    with pytest.raises(ValueError, match="at least one image"):
        evaluate(model, dataset.test.subset(np.arange(0)))


def test_the_old_name_of_the_data_goes_on_with_a_warning(model, dataset):
    with pytest.warns(DeprecationWarning, match="split is called data now"):
        found = evaluate(model, split=dataset.test)
    assert found.count == 10


def turned(dataset, names):
    """The same images with labels that stand for classes in another order."""
    order = np.array([names.index(name) for name in NAMES])
    split = data.Split(dataset.test.images, order[LABELS])
    return data.Dataset("turned", split, split, names)


def test_classes_in_another_order_are_matched_by_their_names(dataset):
    logits = np.random.default_rng(0).normal(size=(256 * 256, 5))
    model = Scripted(logits, (16, 24), NAMES)
    other = turned(dataset, ("eel", "cat", "ant", "dog", "bee"))
    expected, found = evaluate(model, dataset), evaluate(model, other)
    without = {"classes": 0, "confusion": 0, "ranking": 0, "mistakes": None}
    assert dataclasses.replace(found, **without) == (
        dataclasses.replace(expected, **without)
    )
    for name in ("indices", "margins"):  # of the same images, whatever the order
        ours, theirs = (getattr(one.mistakes, name) for one in (found, expected))
        np.testing.assert_array_equal(ours, theirs)
    order = [NAMES.index(name) for name in other.class_names]
    np.testing.assert_array_equal(found.classes, expected.classes[:, order])
    np.testing.assert_array_equal(
        found.confusion, expected.confusion[np.ix_(order, order)]
    )
    context = Context(model, other)
    np.testing.assert_array_equal(context.evaluation().confusion, found.confusion)
    for measured in (robustness, resolutions):
        options = {"corruptions": ["fog"]} if measured is robustness else {"sizes": [8]}
        one, two = (measured(model, kind, **options) for kind in (dataset, other))
        field = "correct" if measured is robustness else "lost"
        np.testing.assert_array_equal(getattr(one, field), getattr(two, field))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("ant", "bee", "cat"), r"model's 5 classes \('ant', 'bee', 'cat', ...\).*3"),
        (("ant", "bee", "cat", "dog", "fox"), r"model alone \('eel'\).*\('fox'\)"),
    ],
)
def test_other_classes_are_refused(names, says, dataset):
    model = Scripted(np.zeros((256 * 256, 5)), (16, 24), NAMES)
    split = dataset.test.subset(np.flatnonzero(len(names) > LABELS))
    other = data.Dataset("other", split, split, names)
    with pytest.raises(ValueError, match=says):
        evaluate(model, other)
    assert len(features_of(tiny_vit(), other, cache=False)) == len(split)


def test_classes_of_which_no_name_is_the_same_are_taken_in_their_order(dataset):
    logits = np.random.default_rng(0).normal(size=(256 * 256, 5))
    red, green = dataset.test.images[:, 0, 0, :2].astype(int).T
    expected = (logits[red + 256 * green].argmax(1) == LABELS).mean()
    for names in (NAMES, None, tuple("vwxyz")):
        model = Scripted(logits, (16, 24), names)
        assert evaluate(model, dataset).top1 == expected


def test_a_model_of_a_path_is_scaled():
    loaded = scaled("run", 2.0)
    assert loaded.output_shape == (None, 5)
    assert Classifier.of(loaded).class_names == NAMES


def test_annotations_of_every_public_function_are_complete():
    missing = []
    for name, one in vars(evaluation).items():
        members = {name: one}
        if inspect.isclass(one):
            members = {
                f"{name}.{key}": value
                for key, value in vars(one).items()
                if inspect.isfunction(value) and not key.startswith("__")
            }
        for key, function in members.items():
            if not inspect.isfunction(function) or key.startswith("_"):
                continue
            named = [*_names(function)]
            hints = inspect.unwrap(function).__annotations__
            lacking = {*named, "return"} - {"self", *hints}
            missing += [f"{key}: {one}" for one in sorted(lacking)]
    assert not missing, missing


def test_word_net_ids_are_matched_with_the_words_of_imagenet():
    # TensorFlow Datasets' imagenet_resized has no class where imagenet2012 has it.
    classes = imagenet_classes()[::300]
    model = Classifier.of(
        tiny_vit(num_classes=4), class_names=[x.name for x in classes]
    )
    ids = [classes[number].wordnet_id for number in (2, 0, 3, 1)]
    assert class_order(model, ids).tolist() == [2, 0, 3, 1]
    assert class_order(model, [x.wordnet_id for x in classes]) is None


def test_classes_that_share_no_name_are_taken_in_order_with_a_warning(caplog):
    model = Classifier.of(tiny_vit(num_classes=2), class_names=("cat", "dog"))
    assert class_order(model, ("0", "1")) is None
    assert "('cat', 'dog') of the model are taken for ('0', '1')" in caplog.text
