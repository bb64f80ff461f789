"""The names of ImageNet's classes, and their order."""

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.weights.imagenet import TABLE, decode_predictions, imagenet_classes


def test_there_are_1000_classes_of_different_ids_and_names_in_the_order_of_the_ids():
    ids, names = zip(*imagenet_classes(), strict=True)
    assert len(ids) == len(set(ids)) == len(set(names)) == 1000
    assert list(ids) == sorted(ids)


def test_the_ids_are_in_the_order_of_tensorflow_datasets():
    tfds = pytest.importorskip("tensorflow_datasets")
    import pathlib

    folder = pathlib.Path(tfds.__file__).parent / "datasets" / "imagenet2012"
    theirs = (folder / "labels.txt").read_text().split()
    assert [one.wordnet_id for one in imagenet_classes()] == theirs


def test_ids_and_words_are_those_of_timm():
    timm = pytest.importorskip("timm.data")
    info = timm.ImageNetInfo("imagenet-1k")
    for index, one in enumerate(imagenet_classes()):
        assert info.index_to_label_name(index) == one.wordnet_id
        words = info.index_to_description(index).split(", ")
        assert one.name.partition(" (")[0] in (words[0], ", ".join(words))


def test_names_are_at_the_places_where_torchvision_has_them():
    meta = pytest.importorskip("torchvision.models._meta")
    theirs = meta._IMAGENET_CATEGORIES
    unlike = {
        ours.name: name
        for ours, name in zip(imagenet_classes(), theirs, strict=True)
        if ours.name != name
    }
    assert unlike == {
        "crane (bird)": "crane bird",
        "crane (machine)": "crane",
        "maillot, tank suit": "maillot tank suit",
    }


def test_the_licence_of_the_words_lies_beside_them():
    licence = (TABLE.parent / "LICENSE").read_text()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in licence


@pytest.mark.parametrize("kind", [np.asarray, keras.ops.convert_to_tensor])
def test_it_returns_what_keras_applications_returns(kind, rng, monkeypatch, tmp_path):
    import json

    logits = rng.normal(size=(3, 1000)).astype(np.float32) * 4
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    index = {str(k): list(one) for k, one in enumerate(imagenet_classes())}
    (tmp_path / "index.json").write_text(json.dumps(index))
    utilities = keras.src.applications.imagenet_utils
    monkeypatch.setattr(utilities, "CLASS_INDEX", index)
    theirs = keras.applications.resnet50.decode_predictions(probabilities, top=4)
    ours = decode_predictions(kind(logits), top=4)
    assert isinstance(ours, list) and isinstance(ours[0], list)
    for mine, other in zip(ours, theirs, strict=True):
        assert [one[:2] for one in mine] == [one[:2] for one in other]
        assert isinstance(mine[0], tuple) and isinstance(mine[0][2], float)
        np.testing.assert_allclose(
            [one[2] for one in mine], [one[2] for one in other], rtol=1e-5
        )
    again = decode_predictions(kind(probabilities), top=4)  # not squashed once more
    np.testing.assert_allclose(
        [one[2] for one in again[0]], [one[2] for one in ours[0]], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("logits", "top", "says"),
    [
        (np.zeros((2, 10)), 5, r"\(2, 10\); name other classes by keras_vit.predict"),
        (np.zeros(1000), 5, r"\(1000,\); add an axis for the batch"),
        (np.zeros((1, 21843)), 5, r"shape \(batch, 1000\).*\(1, 21843\)"),
        (np.zeros((1, 1000)), 0, "from 1 to 1000. Received: top=0"),
        (np.zeros((1, 1000)), 1001, "top=1001"),
        (np.zeros((1, 1000)), 2.5, "top=2.5"),
        (np.zeros((1, 1000)), None, "top=None"),
        (np.full((2, 1000), np.nan), 5, "NaN or infinity in 2 of 2 rows"),
    ],
)
def test_what_is_no_logits_of_imagenet_is_refused(logits, top, says):
    with pytest.raises(ValueError, match=says):
        keras_vit.decode_predictions(logits, top)
