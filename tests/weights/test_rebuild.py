import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import layers
from keras_vit.weights import replace_head, resize
from keras_vit.weights.positions import TABLES
from support.models import randomize, tiny_vit

KINDS = {
    "token": {},
    "token, pre-logits and registers": {"representation_size": 8, "num_registers": 2},
    "gap": {"pooling": "gap"},
    "gap as timm's": {"pooling": "gap", "class_token": True, "fc_norm": True},
    "map": {"pooling": "map"},
    "distillation": {"distillation": True},
    "no positions": {"position_embedding": "none"},
    "fixed positions": {"position_embedding": "sincos_2d"},
    "columns and rows": {"position_embedding": "learned_2d"},
    "positions before every block": {
        "position_embedding_at": "every_layer",
        "num_registers": 2,
    },
    "columns and rows before every block": {
        "position_embedding": "learned_2d",
        "position_embedding_at": "every_layer_shared",
        "distillation": True,
    },
    "columns and rows that are added": {"position_embedding": "factorized"},
    "offsets": {"position_embedding": "relative", "num_registers": 1},
    "rotations": {"position_embedding": "rope_2d", "patch_size": 1, "stem": "resnet"},
    "hybrid": {"patch_size": 1, "stem": "resnet"},
    "any stem": {"patch_size": 1, "stem": "keras"},
}


def build(kind, rng):
    arguments = dict(KINDS[kind])
    if arguments.get("stem") == "resnet":
        arguments["stem"] = layers.ResNetStem((1,), 0.5, name="stem")
    elif arguments.get("stem") == "keras":
        x = keras.Input((None, None, 3))
        y = keras.layers.Conv2D(8, 8, strides=8, name="conv")(x)
        arguments["stem"] = keras.Model(x, y, name="stem")
    return randomize(tiny_vit(**arguments), rng)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("kind", KINDS)
def test_a_resized_model_has_the_old_weights(kind, rng):
    model = build(kind, rng)
    before = model.get_weights()
    new = resize(model, (40, 32))
    assert new.input_shape == (None, 40, 32, 3)
    assert new(np.zeros((1, 40, 32, 3))).shape == (1, 5)
    old = {weight.path: weight.numpy() for weight in model.weights}
    for weight in new.weights:
        if weight.path.rpartition("/")[2] not in TABLES:
            np.testing.assert_array_equal(weight.numpy(), old[weight.path])
    new.set_weights([0 * array for array in new.get_weights()])  # it shares none
    for array, again in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, again)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_size_gives_the_same_logits(kind, rng):
    model = build(kind, rng)
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    np.testing.assert_array_equal(resize(model, (16, 24))(images), model(images))


def test_positions_are_interpolated_between_the_corners(rng):
    model = build("token", rng)  # a grid of 2 x 3
    table = model.get_layer("patch_encoder").positions.numpy()[0]
    new = resize(model, (24, 40)).get_layer("patch_encoder").positions.numpy()[0]
    np.testing.assert_array_equal(new[0], table[0])  # the class token's
    old, grid = table[1:].reshape(2, 3, -1), new[1:].reshape(3, 5, -1)
    np.testing.assert_allclose(grid[::2, ::2], old, atol=1e-6)
    np.testing.assert_allclose(grid[1, ::2], old.mean(0), atol=1e-6)
    np.testing.assert_allclose(grid[0, 1], old[0, :2].mean(0), atol=1e-6)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_classes", [3, None])
def test_a_new_head_is_zero_on_the_old_features(kind, num_classes, rng):
    model = build(kind, rng)
    new = replace_head(model, num_classes)
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    features = [keras.Model(model.input, model.get_layer("features").output)(images)]
    if KINDS[kind].get("distillation"):
        layer = model.get_layer("features_distillation")
        features.append(keras.Model(model.input, layer.output)(images))
    if num_classes is None:
        np.testing.assert_allclose(new(images), np.mean(features, axis=0), atol=1e-6)
    else:
        np.testing.assert_array_equal(new(images), np.zeros((2, 3)))
        new.get_layer("head").bias.assign([1.0, 2.0, 3.0])
        share = 1 / len(features)
        np.testing.assert_allclose(new(images)[0], share * np.arange(1, 4), rtol=1e-6)


@pytest.mark.slow
def test_a_model_that_was_trained_and_saved_is_resized(tmp_path, rng):
    model = tiny_vit()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(rng.uniform(0, 255, (8, 16, 24, 3)), np.arange(8) % 5, verbose=0)
    model.save(tmp_path / "a.keras")
    new = replace_head(resize(keras.models.load_model(tmp_path / "a.keras"), 32), 2)
    assert new(np.zeros((1, 32, 32, 3))).shape == (1, 2)
    new.save(tmp_path / "b.keras")
    again = keras.models.load_model(tmp_path / "b.keras")
    assert [w.path for w in again.weights] == [w.path for w in new.weights]


def test_the_baseline_is_resized_too(rng):
    model = randomize(
        keras_vit.baselines.ResNet(
            blocks=(1, 1), width_factor=0.5, num_classes=5, image_size=32
        ),
        rng,
        scale=0.1,
    )
    images = rng.uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    new = replace_head(resize(resize(model, 48), 32), None)
    features = keras.Model(model.input, model.get_layer("features").output)
    np.testing.assert_array_equal(new(images), features(images))


def stem_of_keras(kind, size):
    """A model that was made for images of one size, with another inside it."""
    inner = keras.Sequential(
        [keras.Input((*size, 3)), keras.layers.Conv2D(4, 4, 4, name="conv")],
        name="inner",
    )
    if kind == "sequential":
        return keras.Sequential([keras.Input((*size, 3)), inner], name="stem")
    images = keras.Input((*size, 3))
    return keras.Model(images, keras.layers.ReLU()(inner(images)), name="stem")


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_a_hybrid_on_a_model_of_keras_is_resized_as_if_built_so(kind, tmp_path, rng):
    first, second = (
        tiny_vit(
            image_size=size,
            patch_size=1,
            stem=stem_of_keras(kind, size),
            position_embedding="sincos_2d",
        )
        for size in ((16, 24), (32, 28))
    )
    randomize(first, rng)
    resized = resize(first, (32, 28))
    assert resized.get_layer("patch_encoder").grid == (8, 7)
    second.set_weights(first.get_weights())
    images = rng.uniform(0, 255, (2, 32, 28, 3)).astype("float32")
    np.testing.assert_array_equal(resized(images), second(images))
    resized.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(again(images), second(images))


def test_a_mixed_precision_model_keeps_its_policy(rng):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_vit()
    finally:
        keras.config.set_dtype_policy("float32")
    for new in (resize(model, 32), replace_head(model, 3)):
        assert new.get_layer("block_00").compute_dtype == "bfloat16"
        assert new.output.dtype == "float32"


def test_what_cannot_be_done_is_told(rng):
    with pytest.raises(ValueError, match="height >= 8"):
        resize(tiny_vit(), 4)
    with pytest.raises(ValueError, match="one of bilinear, .*bicubic"):
        resize(tiny_vit(), 32, method="nearest")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="without the layer 'features'"):
        replace_head(other, 3)
