"""A model keeps what it means, wherever it goes."""

import logging

import keras
import numpy as np
import pytest

from keras_vit.classifier import Classifier
from keras_vit.meaning import meaning_of, set_meaning
from keras_vit.model_files import save_model, write_labels
from support.models import tiny_vit

PETS, KITCHEN = ("cat", "dog"), ("cup", "pan")


def named_models(folder):
    save_model(tiny_vit(num_classes=2), folder / "a.keras", PETS)
    save_model(tiny_vit(num_classes=2), folder / "b.keras", KITCHEN)


def names_at(path):
    return Classifier.of(path).class_names


def nameless(path):
    """A file as earlier versions wrote it: the names are not in it."""
    save_model(tiny_vit(num_classes=2), path)


def test_two_models_in_one_folder_keep_their_names(tmp_path):
    named_models(tmp_path)
    write_labels(tmp_path / "labels.txt", ("of", "neither"))
    assert names_at(tmp_path / "a.keras") == PETS
    assert names_at(tmp_path / "b.keras") == KITCHEN


def test_names_beside_several_models_are_nobodys(tmp_path, caplog):
    save_model(tiny_vit(num_classes=2), tmp_path / "a.keras", PETS)
    nameless(tmp_path / "b.keras")
    assert names_at(tmp_path / "b.keras") is None
    write_labels(tmp_path / "labels.txt", KITCHEN)
    assert names_at(tmp_path / "a.keras") == PETS
    with caplog.at_level(logging.WARNING, "keras_vit"):
        assert names_at(tmp_path / "b.keras") is None
    assert "holds 2 models, of which it may be any's" in caplog.text


@pytest.mark.parametrize("name", ["model.keras", "alone.keras"])
def test_files_of_earlier_versions_have_the_names_beside_them(name, tmp_path, caplog):
    nameless(tmp_path / name)
    write_labels(tmp_path / "labels.txt", PETS)
    assert names_at(tmp_path / name) == PETS
    if name == "model.keras":
        assert names_at(tmp_path) == PETS
    write_labels(tmp_path / "labels.txt", ("one", "too", "many"))
    assert names_at(tmp_path / name) is None
    assert "Expected 2 class names" in caplog.text and "3 names" in caplog.text


def test_names_that_are_not_as_many_as_the_outputs_are_refused(tmp_path):
    model = tiny_vit(num_classes=2)
    with pytest.raises(ValueError, match="Expected 2 class names.*Received: 3 names"):
        save_model(model, tmp_path / "a.keras", list("abc"))
    with pytest.raises(ValueError, match="a list or a tuple. Received: str 'ab'"):
        save_model(model, tmp_path / "a.keras", "ab")
    with pytest.raises(ValueError, match="Expected 2 class names"):
        set_meaning(model, class_names=["a"], activation="sigmoid")
    assert not list(tmp_path.iterdir())
    assert meaning_of(model).class_names is None
    assert meaning_of(model).activation == "softmax"


@pytest.mark.slow
def test_a_classifier_is_saved_with_other_names(tmp_path):
    named_models(tmp_path)
    given = Classifier.of(tmp_path / "a.keras", class_names=("ja", "nein"))
    given.save(tmp_path / "c.keras")
    assert names_at(tmp_path / "c.keras") == ("ja", "nein")
    assert names_at(tmp_path / "a.keras") == PETS


@pytest.mark.parametrize(
    ("units", "activation", "names"),
    [(1, "sigmoid", ("cat",)), (3, "softmax", ("a", "b", "c")), (3, None, "abc")],
)
def test_a_model_from_elsewhere_is_saved_with_names_and_the_same_outputs(
    units, activation, names, tmp_path, rng
):
    last = keras.layers.Dense(units, activation=activation)
    stem = [keras.Input((4, 6, 3)), keras.layers.Flatten()]
    model = keras.Sequential([*stem, last])
    save_model(model, tmp_path / "a.keras", tuple(names))
    images = rng.uniform(size=(2, 4, 6, 3)).astype("float32")
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(again(images), model(images))
    expected = ("not cat", "cat") if units == 1 else tuple(names)
    assert names_at(tmp_path / "a.keras") == expected
    before, after = Classifier.of(model), Classifier.of(tmp_path / "a.keras")
    np.testing.assert_array_equal(
        before.probabilities(images), after.probabilities(images)
    )


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"cat", "dog"}, "in the order of the outputs.*Received: set"),
        ({0: "cat", 1: "dog"}, "in the order of the outputs.*Received: dict"),
        ({"cat": 0, "dog": 1}, "in the order of the outputs.*Received: dict"),
        ([b"cat", b"dog"], "must be text. Received: b'cat', b'dog'"),
        ([None, "dog"], "must be text. Received: None"),
    ],
)
def test_names_without_an_order_or_that_are_no_text_are_refused(names, says):
    with pytest.raises(ValueError, match=says):
        Classifier.of(tiny_vit(num_classes=2), class_names=names)


@pytest.mark.parametrize("names", [np.array(PETS), iter(PETS), list(PETS)])
def test_names_in_any_order_of_text_are_taken(names):
    model = tiny_vit(num_classes=2)
    set_meaning(model, class_names=names)
    assert Classifier.of(model).class_names == PETS


def models_of_no_classes():
    vit, layers = tiny_vit(num_classes=2), keras.layers
    yield keras.Model(vit.input, [vit.output, vit.get_layer("features").output])
    images = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    yield keras.Model(images, layers.Flatten()(layers.Add()(images)))
    yield keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
    yield keras.Sequential(
        [keras.Input((None, None, 3)), layers.GlobalAveragePooling2D()]
    )
    yield keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3)])
    yield keras.Sequential([layers.Flatten(), layers.Dense(2)])


def test_models_that_are_not_from_images_to_classes_are_refused_with_their_shapes():
    said = []
    for model in models_of_no_classes():
        with pytest.raises(ValueError, match="Expected a model from images") as error:
            Classifier.of(model)
        said.append(str(error.value).partition("Received: ")[2])
    vit, two, grey, any_size, map_, unbuilt = said
    assert vit.endswith("from (None, 16, 24, 3) to (None, 2) and (None, 16)")
    assert two.endswith("from (None, 8, 8, 3) and (None, 8, 8, 3) to (None, 192)")
    assert grey.endswith("from (None, 8, 8, 1) to (None, 64)")
    assert any_size.endswith("from (None, None, None, 3) to (None, 3)")
    assert map_.endswith("from (None, 8, 8, 3) to (None, 6, 6, 2)")
    assert unbuilt.endswith("no shapes yet: begin it with keras.Input(shape)")
