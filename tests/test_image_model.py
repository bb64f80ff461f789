"""A model knows how it was built, and is built again so."""

import math

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import layers
from keras_vit.decoding import Decoding
from keras_vit.derived_arguments import derived_arguments
from keras_vit.image_model import KerasVitModel
from keras_vit.inspect import unallocated
from keras_vit.layers.patches import pair
from keras_vit.meaning import meaning_of, set_meaning
from keras_vit.preprocessing import resolve
from keras_vit.variants import VARIANTS
from keras_vit.weights import merge_tokens, replace_head, resize
from support.models import randomize, tiny_vit

OPTIONS = [
    {},
    {"pooling": "gap", "drop_path_rate": 0.1},
    {"pooling": "gap", "class_token": True, "fc_norm": True},
    {"pooling": "map", "num_registers": 3, "image_size": (24, 40)},
    {"distillation": True, "num_registers": 1},
    {"representation_size": 8, "layer_scale": 0.1, "qk_norm": True},
    {"dropout_rate": 0.1, "attention_dropout_rate": 0.2},
    {"position_embedding": "relative"},
    {"position_embedding": "rope_2d"},
    {"position_embedding": "sincos_2d", "patch_dropout_rate": 0.25},
    {"position_embedding": "none"},
    {"position_embedding_at": "every_layer"},
    {
        "position_embedding": "learned_2d",
        "position_embedding_at": "every_layer_shared",
    },
    {"token_merging": 1, "pooling": "gap"},
    {"token_merging": 1, "pooling": "map"},
    {"activation": "gelu_erf", "layer_norm_epsilon": 1e-5},
    {"pixel_mean": (1.0, 2.0, 3.0), "pixel_std": (4.0, 5.0, 6.0)},
    {"evaluation_preprocessing": "timm:0.95"},
    {"include_preprocessing": False, "num_classes": None},
    {"position_interpolation": "bicubic", "num_classes": 1, "name": "other"},
    {"patch_size": 1, "stem": ("root", (1,))},
]


def as_an_earlier_version_built_it(model):
    """The same layers in a plain functional model, which keeps no arguments."""

    def copied(layer):
        if isinstance(layer, layers.Features):
            return keras.layers.Identity(name=layer.name, dtype="float32")
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=copied)
    plain = keras.Model(copy.input, copy.output, name=model.name)
    plain.set_weights(model.get_weights())
    return plain


def spelt_out(arguments):
    arguments = dict(arguments)
    for name in {"image_size", "patch_size"} & arguments.keys():
        arguments[name] = list(pair(arguments[name], name))
    for name in {"pixel_mean", "pixel_std"} & arguments.keys():
        arguments[name] = np.broadcast_to(arguments[name], 3).tolist()
    return arguments


def differences(one, other):
    one, other = spelt_out(one), spelt_out(other)
    assert one.keys() == other.keys()
    return {
        name: (one[name], other[name])
        for name in one
        if one[name] != other[name]
        and not (isinstance(one[name], float) and math.isclose(one[name], other[name]))
    }


@pytest.mark.slow
def test_what_the_layers_say_is_what_a_model_was_built_with():
    wrong = []
    for options in OPTIONS:
        options = dict(options)
        if "stem" in options:
            name, blocks = options["stem"]
            options["stem"] = layers.ResNetStem(blocks, 0.5, name=name)
        model = tiny_vit(**options)
        builder, arguments = derived_arguments(as_an_earlier_version_built_it(model))
        assert builder == model.builder == "ViT"
        found = differences(model.arguments, arguments)
        wrong += [(options, found)] if found else []
    assert not wrong
    resnet = keras_vit.ResNet(5, blocks=(1, 1), width_factor=0.5, image_size=(32, 48))
    builder, arguments = derived_arguments(as_an_earlier_version_built_it(resnet))
    assert builder == resnet.builder == "ResNet"
    assert not differences(resnet.arguments, arguments)


@pytest.mark.slow
def test_every_variants_arguments_are_those_of_its_layers():
    """Of a variant only the sizes differ; here they are those of its row."""
    with unallocated():
        for name in ("ViT_Ti16", "ViT_S32", "R_ViT_Ti16", "R26_ViT_S32"):
            model = getattr(keras_vit, name)(3, image_size=64)
            found = derived_arguments(model)[1]
            assert not differences(model.arguments, found), name
            for size in ("hidden_dim", "num_layers", "num_heads", "mlp_dim"):
                assert found[size] == getattr(VARIANTS[name], size), name


CHANGES = {
    "resize": lambda model: resize(model, (32, 40)),
    "replace_head": lambda model: replace_head(model, 3),
    "merge_tokens": lambda model: merge_tokens(model, 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_is_built_again_means_the_same(change, rng):
    model = randomize(tiny_vit(num_classes=2, pooling="map"), rng)
    way, data = resolve("timm:0.9"), Decoding("0:4095")
    set_meaning(model, class_names=("a", "b"), activation="sigmoid")
    set_meaning(model, preprocessing=way, decoding=data)
    model.get_layer("patch_encoder").position_interpolation = "bicubic"
    model.get_layer("block_00").trainable = False
    model.get_layer("block_01").remat = True
    new = CHANGES[change](model)
    meaning = meaning_of(new)
    assert (meaning.preprocessing, meaning.decoding) == (way, data)
    assert meaning.activation == "sigmoid"
    names = None if change == "replace_head" else ("a", "b")
    assert meaning.class_names == names
    assert new.arguments["position_interpolation"] == "bicubic"
    assert not new.get_layer("block_00").trainable
    assert new.get_layer("block_01").trainable and new.get_layer("block_01").remat
    assert isinstance(new, KerasVitModel) and new.name == model.name
    assert meaning_of(model).class_names == ("a", "b")


@pytest.mark.parametrize("options", [{}, {"distillation": True}, {"pooling": "gap"}])
def test_a_file_of_an_earlier_version_is_built_again_with_the_same_outputs(
    options, rng
):
    model = randomize(tiny_vit(**options), rng)
    old = as_an_earlier_version_built_it(model)
    for change in CHANGES.values():
        one, other = change(model), change(old)
        images = rng.uniform(0, 255, (2, *one.input_shape[1:])).astype("float32")
        np.testing.assert_array_equal(other(images), one(images))


def with_one_more_layer(model):
    def call(layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        if layer.name == "block_00":
            outputs = keras.layers.Rescaling(2.0, name="doubled")(outputs)
        return outputs

    return keras.models.clone_model(model, call_function=call)


def in_another_precision(model):
    model.get_layer("block_01").dtype_policy = "mixed_bfloat16"
    return model


@pytest.mark.parametrize("changed", [with_one_more_layer, in_another_precision])
def test_what_was_changed_since_it_was_built_is_not_lost_in_silence(changed):
    model = changed(tiny_vit())
    layer = "doubled" if changed is with_one_more_layer else "block_01"
    for change in CHANGES.values():
        with pytest.raises(ValueError, match=rf"whose layers {layer} have been added"):
            change(model)


def test_what_follows_a_model_is_kept_where_keras_clones_it(rng):
    inner = randomize(tiny_vit(), rng)
    model = keras.Model(inner.input, keras.layers.Softmax()(inner.output))
    images = rng.uniform(0, 255, (2, 32, 40, 3)).astype("float32")
    expected = keras.ops.softmax(resize(inner, (32, 40))(images))
    np.testing.assert_allclose(resize(model, (32, 40))(images), expected, atol=1e-6)
    merged = keras.ops.softmax(merge_tokens(inner, 1)(images[:, :16, :24]))
    found = merge_tokens(model, 1)(images[:, :16, :24])
    np.testing.assert_allclose(found, merged, atol=1e-6)


def test_a_network_of_keras_is_resized_as_if_built_so(rng):
    build = keras_vit.baselines.application("MobileNetV2")
    model, wanted = (build(3, image_size=size, alpha=0.35) for size in (32, 45))
    model.get_layer("head").kernel.assign(rng.normal(size=(1280, 3)))
    wanted.set_weights(model.get_weights())
    images = rng.uniform(0, 255, (1, 45, 45, 3)).astype("float32")
    np.testing.assert_array_equal(resize(model, 45)(images), wanted(images))


@pytest.mark.parametrize("pooling", ["token", "gap", "map"])
def test_a_model_of_the_same_inputs_and_outputs_is_built_again(pooling, rng):
    built = randomize(tiny_vit(pooling=pooling), rng)
    same = keras.Model(built.input, built.output)
    images = rng.uniform(0, 255, (2, *built.input_shape[1:])).astype("float32")
    for change in (
        lambda model: merge_tokens(model, 1),
        lambda model: resize(model, patch_size=4),
    ):
        np.testing.assert_array_equal(change(same)(images), change(built)(images))
