"""An exported model answers through the server as it does in Python."""

import numpy as np
import pytest

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.exporting import saved_model
from keras_vit.inspect import attention_rollout
from support.damaged import encoded, smooth, turned
from support.models import randomize, tiny_vit
from support.serving.local import Local, b64

NAMES = ("ant", "bee", "cat", "dog", "eel")


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def local(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("savedmodels") / "pets"
    classifier = Classifier.of(model, class_names=NAMES)
    saved_model.write(classifier, folder / "1")  # export's check takes seconds
    with Local(folder, batch=4) as server:
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Image files, of which one is turned by its Exif and one is none."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    photo = encoded(smooth(rng, 20, 30), "PNG")
    contents = {
        "a.png": photo,
        "b.jpg": encoded(smooth(rng, 20, 30), "JPEG", exif=turned(6), quality=95),
        "c.png": photo[:100],
        "d.webp": encoded(smooth(rng, 40, 17), "WEBP", lossless=True),
        "e.png": b"no image",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


@pytest.mark.slow
def test_files_are_classified_as_predict_classifies_them(local, model, files):
    expected = keras_vit.predict(model, files, class_names=NAMES)
    rows = [b64(path.read_bytes()) for path in files]
    told = local.predict(instances=rows).json()["predictions"]
    for row, one in zip(told, expected, strict=True):
        assert bool(row["error"]) == bool(one.error)
        if not one.error:
            assert row["classes"] == list(one.classes)
            np.testing.assert_allclose(
                row["probabilities"], one.probabilities, rtol=0.02, atol=1e-3
            )


def test_pixels_give_the_models_own_logits(local, model, rng):
    images = rng.integers(0, 256, (3, *model.input_shape[1:]))
    expected = model.predict_on_batch(images.astype(np.float32))
    for signature in ("pixels", "pixels_uint8"):
        told = local.predict(signature_name=signature, inputs=images.tolist()).json()
        np.testing.assert_allclose(
            told["outputs"]["logits"], expected, rtol=1e-3, atol=1e-4
        )


def test_attention_is_that_of_inspect(local, model, rng):
    height, width = model.input_shape[1:3]
    image = smooth(rng, height, width)
    file = b64(encoded(image, "PNG"))
    told = local.predict(signature_name="attention", instances=[file]).json()
    (row,) = told["predictions"]
    expected = attention_rollout(model, np.float32(image)[np.newaxis])[0]
    np.testing.assert_allclose(row["attention"], expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(row["window"], [0, 0, 1, 1], atol=1e-6)
