"""A file of a model's weights gives the model back, pixels included."""

import json
import warnings

import numpy as np
import pytest

import keras_vit
from keras_vit.meaning import meaning_of
from keras_vit.preprocessing import resolve
from keras_vit.weights import find_checkpoint, load_weights, save_weights
from support.fixture_models import SIZES
from support.models import randomize

FORMATS = {  # a format: its path, and what its code computes with
    "npz": ("a.npz", {}),
    "timm": ("a.safetensors", {"activation": "gelu_erf"}),
    "huggingface": ("a", {"activation": "gelu_erf", "layer_norm_epsilon": 1e-12}),
    "torchvision": ("a.safetensors", {"activation": "gelu_erf"}),
}
IMAGENET = {
    "pixel_mean": (123.675, 116.28, 103.53),
    "pixel_std": (58.395, 57.12, 57.375),
}
PIXELS = [
    IMAGENET,
    {"pixel_mean": 127.5, "pixel_std": 127.5},
    {"pixel_mean": (10.0, 20.0, 200.5), "pixel_std": (255.0, 1.5, 33.3)},
    {"pixel_mean": 0.0, "pixel_std": 255.0},
]


def same(model, again, rng):
    height, width = model.input_shape[1:3]
    images = rng.integers(0, 256, (2, height, width, 3)).astype("float32")
    np.testing.assert_allclose(again(images), model(images), atol=2e-4, rtol=1e-4)


@pytest.mark.one_in(8)
@pytest.mark.parametrize("format", ["npz", "timm", "huggingface"])
@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize(("size", "classes"), [(32, 3), ((24, 40), 11), (16, None)])
def test_the_model_that_was_saved_comes_back(
    format, pixels, size, classes, tmp_path, rng
):
    path, computes = FORMATS[format]
    way = "huggingface" if format == "huggingface" else "timm:0.95"
    model = keras_vit.ViT(
        image_size=size,
        num_classes=classes,
        evaluation_preprocessing=way,
        **(SIZES | computes | pixels),
    )
    randomize(model, rng)
    save_weights(model, tmp_path / path, format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = keras_vit.ViT(weights=tmp_path / path, **SIZES)
    assert again.input_shape == model.input_shape
    same(model, again, rng)
    assert meaning_of(again).preprocessing == resolve(way)


def test_torchvisions_pixels_are_imagenets_and_others_are_refused(tmp_path, rng):
    computes = FORMATS["torchvision"][1] | SIZES
    model = randomize(keras_vit.ViT(3, image_size=32, **computes, **IMAGENET), rng)
    save_weights(model, tmp_path / "a.safetensors", "torchvision")
    same(
        model,
        keras_vit.ViT(3, image_size=32, weights=tmp_path / "a.safetensors", **SIZES),
        rng,
    )
    for pixels in PIXELS[1:]:
        with pytest.raises(ValueError, match="cannot hold: pixel_mean=.*its code has"):
            save_weights(
                keras_vit.ViT(3, image_size=32, **computes, **pixels),
                tmp_path / "b.safetensors",
                "torchvision",
            )
    assert not (tmp_path / "b.safetensors").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_a_model_without_preprocessing_comes_back_without(format, tmp_path, rng):
    path, computes = FORMATS[format]
    model = keras_vit.ViT(
        3, image_size=32, include_preprocessing=False, **SIZES, **computes
    )
    randomize(model, rng)
    if format == "npz":
        save_weights(model, tmp_path / path, format)
    else:
        with pytest.warns(UserWarning, match="its mean and std are unknown"):
            save_weights(model, tmp_path / path, format)
    same(model, keras_vit.ViT(3, weights=tmp_path / path, **SIZES), rng)


def timm_model(tmp_path, rng, name="a", **pixels):
    arguments = SIZES | {"activation": "gelu_erf"} | pixels
    model = randomize(keras_vit.ViT(3, image_size=32, **arguments), rng)
    save_weights(model, tmp_path / f"{name}.safetensors", "timm")
    return model


def test_timms_code_reads_the_pixels_that_we_wrote(tmp_path, rng):
    timm = pytest.importorskip("timm")
    timm_model(tmp_path, rng, "model", **PIXELS[2])
    settings, name, _ = timm.models._hub._parse_model_cfg(
        json.loads((tmp_path / "config.json").read_text()), {}
    )
    told = timm.data.resolve_data_config(
        {}, pretrained_cfg=settings | {"architecture": name}
    )
    np.testing.assert_allclose(255 * np.array(told["mean"]), (10, 20, 200.5))
    np.testing.assert_allclose(255 * np.array(told["std"]), (255, 1.5, 33.3))
    assert (told["input_size"], told["crop_mode"]) == ((3, 32, 32), "squash")


def test_files_of_one_folder_do_not_take_each_others_settings(tmp_path, rng):
    timm_model(tmp_path, rng, "a", **PIXELS[2])
    with pytest.raises(ValueError, match="belongs to other weights"):
        timm_model(tmp_path, rng, "b", **PIXELS[3])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("a.safetensors", "config.json"),
    ]
    again = timm_model(tmp_path, rng, "a", **PIXELS[3])  # its own: written anew
    same(again, keras_vit.ViT(3, weights=tmp_path / "a.safetensors", **SIZES), rng)


def test_a_bare_file_beside_another_ones_settings_is_bare(fixtures, tmp_path, rng):
    timm_model(tmp_path, rng, "a", **PIXELS[2])
    file = (fixtures / "timm_token.safetensors").read_bytes()
    (tmp_path / "bare.safetensors").write_bytes(file)
    told = find_checkpoint("ViT", tmp_path / "bare.safetensors")
    assert told.arguments["pixel_mean"] == (127.5,) * 3
    assert "config.json" in told.assumed


def test_settings_that_disagree_with_the_file_are_refused(tmp_path, rng):
    timm_model(tmp_path, rng, "a", **PIXELS[2])
    config = json.loads((tmp_path / "config.json").read_text())
    config["pretrained_cfg"]["mean"] = [0.5, 0.5, 0.5]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="must state the same pixel mean and std"):
        find_checkpoint("ViT", tmp_path / "a.safetensors")


def test_a_file_that_has_lost_its_settings_still_knows_its_pixels(tmp_path, rng):
    model = timm_model(tmp_path, rng, "a", **PIXELS[2])
    (tmp_path / "config.json").unlink()
    same(model, keras_vit.ViT(3, weights=tmp_path / "a.safetensors", **SIZES), rng)


@pytest.mark.parametrize("said_by", ["the file", "the settings beside it"])
def test_loading_into_a_model_of_other_pixels_says_both(said_by, tmp_path, rng, caplog):
    model = timm_model(tmp_path, rng, "a", **PIXELS[2])
    if said_by == "the file":
        (tmp_path / "config.json").unlink()
    else:  # as a file by timm's own code, without our note
        from safetensors.numpy import load_file, save_file

        arrays = load_file(tmp_path / "a.safetensors")
        save_file(arrays, tmp_path / "a.safetensors")
    load_weights(model, tmp_path / "a.safetensors")
    assert not caplog.records
    other = keras_vit.ViT(3, activation="gelu_erf", image_size=32, **SIZES, **IMAGENET)
    load_weights(other, tmp_path / "a.safetensors")
    (record,) = caplog.records
    assert "Expected pixel_mean=(10.0, 20.0, 200.5)" in record.getMessage()
    assert "Received: pixel_mean=(123.675, 116.28, 103.53)" in record.getMessage()


def test_a_layer_before_a_classifier_has_no_place_in_hugging_faces_models(tmp_path):
    arguments = SIZES | {"layer_norm_epsilon": 1e-12, "activation": "gelu_erf"}
    model = keras_vit.ViT(3, image_size=32, representation_size=8, **arguments)
    with pytest.raises(ValueError, match="cannot hold: representation_size=8"):
        save_weights(model, tmp_path / "a", "huggingface")
