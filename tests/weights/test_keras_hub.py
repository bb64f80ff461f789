"""Models that KerasHub saved return what KerasHub's own class does.

Made by `tests/fixtures/keras_hub/make.py`, so that KerasHub is not needed here.
"""

import json
import shutil

import h5py
import numpy as np
import pytest

import keras_vit
from keras_vit.weights import find_checkpoint

TOKENS = {"pooling": None, "num_classes": None}  # what a backbone returns
MODELS = {  # a folder: how the model is built, beyond its weights
    "vit": TOKENS,
    "vit_without_token": TOKENS,
    "vit_without_biases": TOKENS,
    "vit_classifier": {},
    "vit_mean": {},
    "deit_classifier": {},
    "dinov2": TOKENS,
    "dinov2_registers_swiglu": TOKENS,
}
HALF = {"pixel_mean": 127.5, "pixel_std": 127.5}


@pytest.fixture
def presets(fixtures):
    return fixtures / "keras_hub"


def theirs(folder):
    with np.load(folder / "images.npz") as stored:
        return stored["pixels"], stored["outputs"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_a_folder_returns_what_theirs_does(name, presets):
    pixels, expected = theirs(presets / name)
    model = keras_vit.ViT(weights=presets / name, **MODELS[name], **HALF)
    outputs = model(127.5 * pixels + 127.5)
    np.testing.assert_allclose(outputs, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["vit", "dinov2_registers_swiglu"])
def test_a_backbone_gives_the_class_token_unless_told_otherwise(name, presets):
    pixels, expected = theirs(presets / name)
    model = keras_vit.ViT(weights=presets / name, **HALF)
    outputs = model(127.5 * pixels + 127.5)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs, expected[:, 0], atol=2e-5 * scale)


def test_a_head_is_replaced_by_one_for_other_classes(presets):
    model = keras_vit.ViT(3, weights=presets / "vit_classifier", **HALF)
    assert model.output_shape == (None, 3)
    assert np.abs(model.get_layer("head").kernel).max() == 0
    assert "pre_logits" not in {layer.name for layer in model.layers}


def test_pixels_are_what_their_image_converter_makes(presets, tmp_path):
    folder = tmp_path / "preset"
    shutil.copytree(presets / "vit_classifier", folder)
    scale, offset = [0.01, 0.02, 0.03], [-1.0, -0.5, 0.25]
    config = {"config": {"scale": scale, "offset": offset}}
    (folder / "image_converter.json").write_text(json.dumps(config))
    pixels, expected = theirs(folder)
    model = keras_vit.ViT(weights=folder)
    outputs = model((pixels - offset) / scale)
    np.testing.assert_allclose(outputs, expected, atol=2e-5 * np.abs(expected).max())


def test_without_a_converter_the_pixels_are_said_to_be_assumed(presets):
    assumed = find_checkpoint("ViT", presets / "deit_classifier").assumed
    assert assumed == "the pixels of KerasHub's presets of DeiTBackbone"
    with pytest.warns(UserWarning, match="KerasHub's presets of DeiTBackbone"):
        keras_vit.ViT(weights=presets / "deit_classifier")


def changed(presets, folder, name, file, change):
    """A copy of a folder, with a change to the settings in one of its files."""
    shutil.copytree(presets / name, folder)
    settings = json.loads((folder / file).read_text())
    change(settings)
    (folder / file).write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    ("name", "file", "change", "message"),
    [
        (
            "vit",
            "config.json",
            lambda one: one.update(class_name="ResNetBackbone"),
            "ViTBackbone, DeiTBackbone, DINOV2Backbone. Received: 'ResNetBackbone'",
        ),
        (
            "vit_classifier",
            "task.json",
            lambda one: one["config"].update(activation="softmax"),
            "a classifier of logits. Received: KerasHub's with activation='softmax'",
        ),
        (
            "vit_classifier",
            "task.json",
            lambda one: one["config"].update(pooling="max"),
            "Expected pooling 'token' or 'gap'. Received: 'max'",
        ),
    ],
)
def test_what_this_package_has_not_is_refused(
    name, file, change, message, presets, tmp_path
):
    folder = changed(presets, tmp_path / "preset", name, file, change)
    with pytest.raises(ValueError, match=message):
        keras_vit.ViT(weights=folder)


def test_an_array_too_many_is_named(presets, tmp_path):
    folder = tmp_path / "preset"
    shutil.copytree(presets / "vit", folder)
    with h5py.File(folder / "model.weights.h5", "a") as file:
        file["layers/adapter/vars/0"] = np.zeros((2, 2))
    with pytest.raises(ValueError, match="layers/adapter/vars/0"):
        keras_vit.ViT(weights=folder)


def test_weights_in_several_files_or_elsewhere_are_refused(presets, tmp_path):
    folder = tmp_path / "preset"
    shutil.copytree(presets / "vit", folder)
    with h5py.File(folder / "model.weights.h5", "a") as file:
        file.create_dataset(
            "layers/x", (2,), "f4", external=[(str(tmp_path / "other"), 0, 8)]
        )
    with pytest.raises(ValueError, match="'layers/x' lies in another file"):
        keras_vit.ViT(weights=folder)
    (folder / "model.weights.h5").write_bytes(b"no file of HDF5")
    with pytest.raises(ValueError, match="model.weights.h5: not readable"):
        keras_vit.ViT(weights=folder)
    (folder / "model.weights.json").write_text("{}")
    with pytest.raises(ValueError, match="expected weights in one file"):
        keras_vit.ViT(weights=folder)


@pytest.mark.parametrize("antialias", [False, True])
def test_a_setting_says_whether_positions_are_antialiased(antialias, presets, tmp_path):
    folder = shutil.copytree(presets / "dinov2", tmp_path / "dinov2")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["antialias_in_interpolation"] = antialias
    (folder / "config.json").write_text(json.dumps(config))
    encoder = keras_vit.ViT(weights=folder, **TOKENS).get_layer("patch_encoder")
    rule = "bicubic_antialias" if antialias else "bicubic"
    assert encoder.position_interpolation == rule
