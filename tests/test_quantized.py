"""Models that Keras has quantized; files of the older formats."""

import unittest.mock
import warnings

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import layers
from keras_vit.evaluation.temperature import scaled
from keras_vit.inspect import attention_maps, patch_filters, report
from keras_vit.layers import PoolingConfig
from keras_vit.layers.quantized import quantized_layers
from keras_vit.pooling import pooling_of
from keras_vit.weights import merge_tokens, replace_head, resize
from support.layer_table import LAYERS
from support.models import randomize, tiny_vit
from support.training.small import small_dataset, small_recipe

VARIANTS = {
    "token": {"representation_size": 8},
    "gap with registers": {"pooling": "gap", "num_registers": 2},
    "gap as timm's": {"pooling": "gap", "class_token": True, "fc_norm": True},
    "map": {"pooling": "map", "qk_norm": True, "layer_scale": 0.1},
    "distillation": {"distillation": True, "position_embedding": "rope_2d"},
    "dropout": {
        "dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "drop_path_rate": 0.1,
        "patch_dropout_rate": 0.5,
    },
    "token merging": {"token_merging": 2, "pooling": "gap", "num_registers": 1},
}


def quantized(model, mode="int8", **arguments):
    """The model, without Keras's warnings of what it leaves in float.

    Keras collects garbage for each layer, which takes seconds where there is
    much.
    """
    with warnings.catch_warnings(), unittest.mock.patch("gc.collect"):
        warnings.simplefilter("ignore", UserWarning)
        model.quantize(mode, **arguments)
    return model


def pixels(model, rng, count=2):
    return rng.uniform(0, 255, (count, *model.input_shape[1:])).astype("float32")


def by_path(model):
    return {weight.path: weight.numpy() for weight in model.weights}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_builds_all_of_its_parts(name):
    layer, arguments, given, _ = LAYERS[name]
    built = layer(**arguments)
    built.build(given)
    parts = built._flatten_layers()
    assert not [part.name for part in parts if not part.built]


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "int8") for name in LAYERS]
    + [("TransformerBlock with everything", mode) for mode in ("int4", "float8")],
)
def test_a_quantized_layer_is_rebuilt_by_its_config(name, mode, rng):
    layer, arguments, given, _ = LAYERS[name]
    x = keras.Input(given[1:])
    first = layer(**arguments, name="some_name")
    model = quantized(randomize(keras.Model(x, first(x)), rng), mode)
    dense = [
        part for part in first._flatten_layers() if type(part) is keras.layers.Dense
    ]
    assert quantized_layers(first) == dense
    config = keras.saving.serialize_keras_object(first)
    config.pop("build_config", None)  # a layer without weights has none
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == first.get_config()  # also before it is built
    again.build(given)
    assert again.get_config() == first.get_config()
    kept = by_path(first)
    assert {weight.path for weight in again.weights} == kept.keys()
    for weight in again.weights:
        weight.assign(kept[weight.path])
    values = rng.uniform(0, 1, given).astype("float32")
    np.testing.assert_array_equal(again(values), model(values))


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("int8", "distillation"),
        ("int8", "token merging"),
        ("int4", "map"),
        ("float8", "dropout"),
    ],
)
def test_a_quantized_model_is_loaded_with_equal_outputs(mode, name, tmp_path, rng):
    model = randomize(tiny_vit(**VARIANTS[name]), rng, 0.1)
    images = pixels(model, rng)
    plain = np.array(model(images))
    model.save(tmp_path / "plain.keras")
    quantized(model, mode)
    kept = by_path(quantized(keras.models.load_model(tmp_path / "plain.keras"), mode))
    for path, array in by_path(model).items():  # as a model that was just loaded
        np.testing.assert_array_equal(kept[path], array)
    expected = np.array(model(images))
    assert 1e-6 < np.abs(expected - plain).max() < 0.1
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    assert again.get_layer("block_00").mlp.fc1.quantization_mode == mode
    np.testing.assert_array_equal(again(images), expected)
    again.save(tmp_path / "b.keras")
    third = keras.models.load_model(tmp_path / "b.keras")
    np.testing.assert_array_equal(third(images), expected)


def test_how_activations_are_quantized_is_loaded_too(tmp_path, rng):
    config = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
    model = randomize(tiny_vit(), rng, 0.1)
    images = pixels(model, rng)
    usual = keras.models.clone_model(model)
    usual.set_weights(model.get_weights())
    usual = quantized(usual)(images)
    quantized(model, None, config=config)
    expected = model(images)
    assert np.abs(expected - usual).max() > 1e-6  # of weights alone
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(again(images), expected)


def test_a_hybrid_is_quantized_behind_its_stem(tmp_path, rng):
    stem = layers.ResNetStem((1,), 0.5, name="stem")
    model = randomize(tiny_vit(stem=stem, patch_size=1), rng, 0.1)
    images = pixels(model, rng)
    expected = quantized(model)(images)
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(again(images), expected)


def test_maps_of_attention_follow_a_model_that_was_quantized_since(rng):
    model = randomize(tiny_vit(num_layers=1), rng)
    images = pixels(model, rng)
    before = attention_maps(model, images)[0]
    quantized(model, "int4")
    block = model.get_layer("block_00")
    z = keras.Model(model.input, block.input)(images)
    after = attention_maps(model, images)[0]
    np.testing.assert_allclose(after, block.scores(z), atol=1e-6)
    assert np.abs(after - before).max() > 1e-4


REFUSED = {
    "export": lambda model, folder: keras_vit.export(model, folder / "a"),
    "resize": lambda model, folder: resize(model, 32),
    "replace_head": lambda model, folder: replace_head(model, 3),
    "merge_tokens": lambda model, folder: merge_tokens(model, 1),
    "save_weights": lambda model, folder: keras_vit.save_weights(
        model, folder / "a.npz"
    ),
    "load_weights": lambda model, folder: keras_vit.load_weights(
        model, folder / "a.npz"
    ),
    "train": lambda model, folder: keras_vit.train(
        small_recipe(), model=model, dataset=small_dataset(), folder=folder / "a"
    ),
    "patch_filters": lambda model, folder: patch_filters(model),
    "summary": lambda model, folder: report(
        model, np.zeros((1, 16, 16, 3)), folder / "a"
    ),
}


@pytest.fixture(scope="module")
def one_quantized():
    return quantized(tiny_vit(num_layers=1, num_classes=2, image_size=16))


@pytest.mark.parametrize("action", REFUSED)
def test_a_quantized_model_is_refused_by(action, one_quantized, tmp_path):
    words = (
        rf"^{action} needs a model that Keras has not quantized: .*float.*\. "
        "Received: 'vit', with 7 layers in int8, such as patch_encoder/projection$"
    )
    if action == "patch_filters":  # which looks at that layer alone
        words = rf"^{action} needs .* with 1 layers in int8"
    with pytest.raises(ValueError, match=words) as error:
        REFUSED[action](one_quantized, tmp_path)
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_quantized_head_is_not_scaled():
    model = tiny_vit(num_layers=1)
    assert scaled(quantized(model), 2.0)  # whose head is in float
    head = keras.Sequential(
        [keras.Input((2, 2, 3)), keras.layers.Flatten(), layers.Head(3)]
    )
    quantized(head, type_check=False)
    with pytest.raises(ValueError, match="scaled needs a model that Keras has not"):
        scaled(head, 2.0)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_h5_file_is_loaded_with_equal_outputs(name, tmp_path, rng):
    model = randomize(tiny_vit(**VARIANTS[name]), rng)
    images = pixels(model, rng)
    model.save(tmp_path / "m.h5")
    again = keras.models.load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(again(images), model(images))
    assert list(by_path(again)) == list(by_path(model))
    assert [one.name for one in again.layers] == [one.name for one in model.layers]


def as_built_before(model, pooling):
    """The model with operations where there are now layers that take tokens."""
    others = 1 if pooling == "token" else model.get_layer("patch_encoder").num_registers
    z = model.get_layer("norm").output
    y = z[:, 0] if pooling == "token" else keras.ops.mean(z[:, others:], axis=1)
    for name in ("features", "head"):
        y = model.get_layer(name)(y)
    return keras.Model(model.input, y, name=model.name)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("pooling", ["token", "gap"])
def test_a_file_with_operations_for_tokens_goes_on_working(pooling, tmp_path, rng):
    new = randomize(tiny_vit(pooling=pooling, num_registers=2), rng)
    old = as_built_before(new, pooling)
    assert "pooling" not in [layer.name for layer in old.layers]
    old.save(tmp_path / "old.keras")
    old = keras.models.load_model(tmp_path / "old.keras")
    images = pixels(new, rng)
    np.testing.assert_array_equal(old(images), new(images))
    assert list(by_path(old)) == list(by_path(new))
    assert pooling_of(old) == pooling_of(new) == PoolingConfig(kind=pooling)
    for change in (
        lambda model: merge_tokens(model, 1),
        lambda model: merge_tokens(merge_tokens(model, 1), 0),
        lambda model: resize(model, (24, 32)),
    ):
        changed = change(old), change(new)
        larger = pixels(changed[0], rng)
        np.testing.assert_array_equal(*(model(larger) for model in changed))
    assert replace_head(old, 3).output_shape == (None, 3)
