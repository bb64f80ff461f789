import os

import keras
import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit.baselines import ResNet
from keras_vit.data import Files, Split
from keras_vit.evaluation import features as features_module
from keras_vit.evaluation import features_of
from keras_vit.files import cache_folder
from support.models import randomize, tiny_vit
from support.scripted import Scripted
from support.splits import numbered


@pytest.fixture(autouse=True)
def a_cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def counted(monkeypatch):
    """How many images have been looked at by models."""
    counts = []

    def counting(model, split, preprocessing, **options):
        counts.append(len(split))
        return np.linspace(0, 1, len(split) * 16, dtype=np.float32).reshape(-1, 16)

    monkeypatch.setattr(features_module, "outputs_of", counting)
    return counts


def resnet():  # the baseline of hybrids
    return ResNet(blocks=(1,), width_factor=0.5, num_classes=3, image_size=32)


MODELS = {
    "pre-logits": lambda: tiny_vit(representation_size=7),
    "gap": lambda: tiny_vit(pooling="gap", fc_norm=True),
    "map, registers": lambda: tiny_vit(pooling="map", num_registers=2),
    "distilled": lambda: tiny_vit(distillation=True),
    "headless": lambda: tiny_vit(num_classes=None),
    "hybrid": lambda: tiny_vit(
        stem=keras_vit.layers.ResNetStem((1,), 0.5), image_size=32, patch_size=2
    ),
    "resnet": resnet,
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", MODELS)
def test_the_head_makes_the_logits_of_the_features(name, rng):
    model = randomize(MODELS[name](), rng, scale=0.1)
    split = numbered(7)
    features = features_of(model, split, batch_size=4, cache=False)
    images = np.stack(
        [keras.ops.image.resize(one, model.input_shape[1:3]) for one in split.images]
    )
    logits = keras.ops.convert_to_numpy(model(images))
    if name == "distilled":  # the logits are the mean of two heads
        assert features.shape == (7, 16)
        return
    if name != "headless":
        features = keras.ops.convert_to_numpy(model.get_layer("head")(features))
    np.testing.assert_allclose(features, logits, rtol=1e-4, atol=1e-4)


def test_features_are_float32_under_bfloat16_and_of_a_loaded_file(rng, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomize(tiny_vit(), rng)
    finally:
        keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    first, second = (
        features_of(one, numbered(5), cache=False) for one in (model, loaded)
    )
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)


def test_features_are_computed_once_for_the_same_model_and_images(rng, counted):
    first = features_of(randomize(tiny_vit(), rng), numbered(9), batch_size=2)
    same = randomize(tiny_vit(), np.random.default_rng(0))  # whose nameless layers
    second = features_of(same, numbered(9), batch_size=9)  # Keras names otherwise
    np.testing.assert_array_equal(first, second)
    other_head = randomize(tiny_vit(num_classes=2), np.random.default_rng(0))
    features_of(other_head, numbered(9))
    assert counted == [9]


def test_other_weights_layers_images_and_preprocessing_are_others(rng, counted):
    split = numbered(2100)
    model = randomize(tiny_vit(), rng)
    features_of(model, split.subset(slice(0, 9)))
    features_of(model, split.subset(slice(0, 9)), preprocessing="timm:0.5")
    block = model.get_layer("block_01").weights[0]
    block.assign(block + 1)
    features_of(model, split.subset(slice(0, 9)))
    features_of(tiny_vit(num_heads=4), numbered(9))
    features_of(tiny_vit(num_heads=1), numbered(9))
    features_of(model, split)
    images = split.images.copy()
    images[1, 0, 0, 0] += 1  # an image that `content` leaves out
    other = Split(images, split.labels)
    assert other.fingerprint() == split.fingerprint()
    features_of(model, other)
    assert counted == [9, 9, 9, 9, 9, 2100, 2100]


def test_a_file_that_is_written_anew_is_another(rng, counted, tmp_path):
    path, model = tmp_path / "a.png", tiny_vit()
    split = Files([path], np.array([0]))
    for colour in ("red", "blue"):
        Image.new("RGB", (24, 16), colour).save(path)
        os.utime(path, ns=(0, {"red": 1, "blue": 2}[colour]))
        features_of(model, split)
        features_of(model, split)
    assert counted == [1, 1]


def cut(data):
    return data[:-30]


def changed(data):
    return data[:200] + bytes([data[200] ^ 1]) + data[201:]


@pytest.mark.parametrize("damage", [cut, changed, lambda data: b"", lambda data: b"x"])
def test_a_damaged_file_of_features_counts_for_nothing(damage, rng, counted):
    model = randomize(tiny_vit(), rng)
    first = features_of(model, numbered(9))
    (path,) = (cache_folder() / "features").iterdir()
    path.write_bytes(damage(path.read_bytes()))
    np.testing.assert_array_equal(features_of(model, numbered(9)), first)
    np.testing.assert_array_equal(features_of(model, numbered(9)), first)
    assert counted == [9, 9]


def test_features_that_cannot_be_kept_are_given_all_the_same(tmp_path):
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="could not be kept"):
        assert features_of(tiny_vit(), numbered(3)).shape == (3, 16)


def test_without_the_cache_nothing_is_written(counted):
    features_of(tiny_vit(), numbered(3), cache=False)
    assert not cache_folder().exists()


def test_a_model_without_the_layer_is_refused():
    images = keras.Input((8, 8, 3))
    plain = keras.Model(images, keras.layers.Flatten()(images))
    named = keras.Model(images, keras.layers.Identity(name="features")(images))
    for model, message in (
        (plain, "named 'features'"),
        (named, "of a known size"),
    ):
        with pytest.raises(ValueError, match=message):
            features_of(model, numbered(3))
    with pytest.raises(ValueError, match="a SavedModel has none"):
        features_of(Scripted(np.zeros((3, 2))), numbered(3))
    with pytest.raises(TypeError, match="Expected a Keras model.*Received: object"):
        features_of(object(), numbered(3))
