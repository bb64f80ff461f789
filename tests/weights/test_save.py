import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.factories import FACTORIES
from keras_vit.model_files import save_model
from keras_vit.weights import load_weights, save_weights
from keras_vit.weights.architecture import describe, shapes
from keras_vit.weights.sources import GOOGLE
from keras_vit.weights.translate import names_in, their_shape
from support.fixture_models import MODELS, TINY, TORCH, build
from support.models import randomize, tiny_vit
from support.published import PUBLISHED

ROUND_TRIPS = [  # format, path, a file whose model goes through it
    *(
        ("npz", "a.npz", file)
        for file in MODELS  # fixed positions are no array: refused, see below
        if file.endswith(".npz") and "sincos" not in file
    ),
    *(("timm", "a.safetensors", file) for file in MODELS if file.startswith("timm")),
    ("timm", "a.safetensors", "torchvision_vit.safetensors"),
    ("huggingface", "folder", "hf_vit.safetensors"),
    ("huggingface", "folder", "timm_deit_distilled.safetensors"),
    ("torchvision", "a.safetensors", "torchvision_vit.safetensors"),
]


@pytest.mark.one_in(4)
@pytest.mark.parametrize(("format", "path", "file"), ROUND_TRIPS)
def test_what_was_saved_is_loaded_bit_for_bit(format, path, file, tmp_path, rng):
    model, again = randomize(build(file), rng), build(file)
    save_weights(model, tmp_path / path, format)
    load_weights(again, tmp_path / path)
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


@pytest.mark.parametrize(
    ("file", "format"),
    [
        ("vit_tiny_token.npz", "npz"),
        ("vit_tiny_token_rep24.npz", "npz"),
        ("hybrid_3stage.npz", "npz"),
        ("timm_token.safetensors", "timm"),
        ("timm_avg_fcnorm.safetensors", "timm"),
        ("timm_deit_distilled.safetensors", "timm"),
        ("torchvision_vit.safetensors", "torchvision"),
        ("hf_vit.safetensors", "huggingface"),
    ],
)
def test_a_file_goes_through_the_model_and_comes_out_the_same(
    file, format, fixtures, tmp_path
):
    from safetensors.numpy import load_file

    model = build(file)
    load_weights(model, fixtures / file)
    suffix = "" if format == "huggingface" else f".{file.rsplit('.', 1)[1]}"
    save_weights(model, tmp_path / f"out{suffix}", format)
    if format == "npz":
        out, first = dict(np.load(tmp_path / "out.npz")), dict(np.load(fixtures / file))
    else:
        inside = (
            "out/model.safetensors" if format == "huggingface" else "out.safetensors"
        )
        out, first = load_file(tmp_path / inside), load_file(fixtures / file)
    assert out.keys() == first.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(out[name], array, err_msg=name)


CASES = [(ours, {}, theirs) for ours, theirs in PUBLISHED.items()] + [
    (ours, {"pooling": "gap"}, f"{PUBLISHED[ours]}-gap-norep")
    for ours in ("ViT_S16", "ViT_S32", "ViT_B16", "ViT_B32")
]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(("name", "arguments", "theirs"), CASES)
def test_names_and_shapes_of_an_npz_are_the_published_ones(
    name, arguments, theirs, fixtures
):
    expected = json.loads((fixtures / "npz_shapes_1000cls_224.json").read_text())
    with keras.StatelessScope(initialize_variables=False):
        model = FACTORIES[name](**arguments)
        architecture, ours = describe(model), shapes(model)
    names, unknown = names_in(GOOGLE.rules(architecture, frozenset()), ours)
    assert not unknown
    assert {
        name: list(their_shape(ours[path], change, architecture))
        for path, (name, change) in names.items()
    } == expected[theirs]


@pytest.mark.parametrize(
    ("arguments", "format", "path", "message"),
    [
        (
            {"layer_norm_epsilon": 1e-5},
            "timm",
            "a.safetensors",
            "differs from its usual ones in norm_layer",
        ),
        (
            {"block": {"rotary": {}}} | TORCH,
            "timm",
            "a.safetensors",
            "differs from its usual ones in blocks",
        ),
        (TORCH, "npz", "a.npz", "google's files cannot hold: activation='gelu_erf'"),
        ({"layer_norm_epsilon": 1e-5}, "npz", "a.npz", "layer_norm_epsilon=1e-05"),
        ({"position_embedding": "sincos_2d"}, "npz", "a.npz", "sincos_2d"),
        ({"position_embedding": "rope_2d"}, "npz", "a.npz", "'rope_2d', which is no"),
        (
            {"position_embedding": "learned_2d"},
            "npz",
            "a.npz",
            "hold: patch_encoder/position_embedding_x, .*position_embedding_y",
        ),
        (
            {"position_embedding": "relative"} | TORCH,
            "timm",
            "a.safetensors",
            "hold: block_00/attention/relative/offset_embedding",
        ),
        (
            {"position_embedding_at": "every_layer_shared"} | TORCH,
            "huggingface",
            "a",
            "hold: positions/position_embedding",
        ),
        ({"num_registers": 2}, "npz", "a.npz", "patch_encoder/registers"),
        ({"layer_scale": 0.1}, "huggingface", "a", "block={} .its code has {'qkv_bias"),
        ({"pooling": "map"} | TORCH, "torchvision", "a.safetensors", "pooling/probe"),
        ({"block": {"rotary": {}}}, "npz", "a.npz", "hold: block={'rotary': {}}"),
        (
            {"block": {"layout": "res_post_norm"}} | TORCH,
            "torchvision",
            "a.safetensors",
            "hold: block={'layout': 'res_post_norm'}",
        ),
        ({"pooling": "max"}, "npz", "a.npz", "hold: pooling='max'"),
        ({"pooling": "gap", "fc_norm": True}, "npz", "a.npz", "hold: fc_norm=True"),
        (
            {"pooling": "gap", "class_token": True},
            "npz",
            "a.npz",
            "hold: class_token=True with pooling='gap'",
        ),
        ({"position_embedding": "none"}, "npz", "a.npz", "position_embedding='none'"),
        ({}, "npz", "a.safetensors", "writes a .npz file"),
        ({}, "huggingface", "a.npz", "writes a folder"),
        ({}, "pickle", "a.pkl", "one of npz, timm, huggingface, torchvision"),
    ],
)
def test_what_a_format_cannot_hold_is_told(arguments, format, path, message, tmp_path):
    model = keras_vit.ViT(**(TINY | arguments))
    with pytest.raises(ValueError, match=message):
        save_weights(model, tmp_path / path, format)
    assert not list(tmp_path.iterdir())


def test_hugging_faces_form_of_gelu_and_epsilon_go_through_its_config(tmp_path, rng):
    arguments = TINY | {"layer_norm_epsilon": 1e-5, "representation_size": 32}
    model = randomize(keras_vit.ViT(**(arguments | {"num_classes": None})), rng)
    save_weights(model, tmp_path / "a", "huggingface")
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["hidden_act"] == "gelu_pytorch_tanh"
    assert config["layer_norm_eps"] == 1e-5
    again = keras_vit.ViT(**(arguments | {"num_classes": None}))
    load_weights(again, tmp_path / "a")
    images = rng.uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(again(images), model(images))


def test_a_home_folder_is_expanded_where_it_is_written_and_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    model = tiny_vit()
    keras_vit.save_weights(model, "~/a.npz")
    keras_vit.load_weights(model, "~/a.npz")
    save_model(model, "~/a.keras")
    assert {one.name for one in tmp_path.iterdir()} == {"a.npz", "a.keras"}
