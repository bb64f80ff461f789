"""How images are resized in evaluation belongs to the weights, by who made them."""

import json
import shutil
from dataclasses import replace

import pytest

import keras_vit
from keras_vit.data.array_preprocessing import before_crop
from keras_vit.meaning import meaning_of
from keras_vit.preprocessing import PRESETS, resolve
from keras_vit.weights import checkpoint, find_checkpoint, list_weights, save_weights
from support.fixture_models import SIZES, TINY, TORCH


def told(path, variant="ViT"):
    return find_checkpoint(variant, path).arguments["evaluation_preprocessing"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("vit_tiny_token.npz", "vit_jax"),
        ("vit_tiny_nohead.npz", "vit_jax"),
        ("hybrid_3stage.npz", "vit_jax"),
        ("bv_tiny_gap_sincos2d_rep.npz", "big_vision:0.875"),
        ("bv_tiny_map_learn.npz", "big_vision:0.875"),
        ("bv_converted_vit_tiny_token.npz", "big_vision:0.875"),
        ("timm_token.safetensors", "timm:0.9"),
        ("torchvision_vit.safetensors", "torchvision:0.875"),
        ("hf_vit.safetensors", "huggingface"),
        ("hf_dinov2.safetensors", "dinov2:224/256"),
    ],
)
def test_a_file_that_does_not_say_is_evaluated_as_its_makers_do(
    file, expected, fixtures
):
    assert told(fixtures / file) == resolve(expected)


def test_more_pixels_are_cropped_less():
    def of(source, names, image_size):
        return checkpoint._preprocessing(source, names, {}, image_size)

    from keras_vit.weights.sources import GOOGLE, TIMM, TORCHVISION

    assert of(TIMM, [], 384).crop_fraction == 1
    assert before_crop(
        (384, 384), of(GOOGLE, ["pos_embedding"], 384).crop_fraction
    ) == (448, 448)
    assert of(TORCHVISION, [], 384) == resolve("timm:1")


def in_folder(fixtures, folder, file, **configs):
    shutil.copy(fixtures / file, folder / "model.safetensors")
    for name, content in configs.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "timm:0.875"),
        ({"crop_pct": 0.95, "interpolation": "bicubic"}, "timm:0.95"),
        (
            {"crop_pct": 1.0, "crop_mode": "squash"},
            replace(resolve("timm:1"), aspect="squash"),
        ),
        ({"crop_pct": 0.9, "interpolation": "bilinear"}, "torchvision:0.9"),
    ],
)
def test_timms_configuration_is_read(config, expected, fixtures, tmp_path):
    path = in_folder(
        fixtures,
        tmp_path,
        "timm_token.safetensors",
        config={"pretrained_cfg": config},
    )
    assert told(path) == resolve(expected)


VIT = {"size": 224, "resample": 2, "feature_extractor_type": "ViTFeatureExtractor"}
BIT = {
    "image_processor_type": "BitImageProcessor",
    "size": {"shortest_edge": 256},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
}
DEIT = {
    "feature_extractor_type": "DeiTFeatureExtractor",
    "size": 256,
    "crop_size": 224,
    "do_center_crop": True,
    "resample": 3,
}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (VIT, "huggingface"),
        (VIT | {"size": {"height": 384, "width": 384}}, "huggingface"),
        (
            VIT | {"resample": 3},
            replace(PRESETS["huggingface"], method="bicubic"),
        ),
        (BIT, "dinov2:224/256"),
        (BIT | {"size": 256}, "dinov2:224/256"),
        (BIT | {"do_center_crop": False}, "dinov2:1"),
        (DEIT, replace(PRESETS["dinov2"], aspect="squash")),
    ],
)
def test_hugging_faces_configuration_is_read(config, expected, fixtures, tmp_path):
    path = in_folder(
        fixtures, tmp_path, "hf_vit.safetensors", preprocessor_config=config
    )
    assert told(path) == resolve(expected)


@pytest.mark.parametrize(
    ("file", "configs"),
    [
        (
            "timm_token.safetensors",
            {"config": {"pretrained_cfg": {"crop_mode": "border"}}},
        ),
        (
            "timm_token.safetensors",
            {"config": {"pretrained_cfg": {"interpolation": "random"}}},
        ),
        ("hf_vit.safetensors", {"preprocessor_config": VIT | {"resample": 1}}),
        (
            "hf_vit.safetensors",
            {"preprocessor_config": BIT | {"size": {"longest_edge": 9}}},
        ),
        ("hf_vit.safetensors", {"preprocessor_config": BIT | {"crop_size": 512}}),
    ],
)
def test_what_cannot_be_done_alike_is_told(file, configs, fixtures, tmp_path):
    path = in_folder(fixtures, tmp_path, file, **configs)
    with pytest.warns(UserWarning, match="does not support the preprocessing"):
        assert told(path) == PRESETS["vit_jax"]


@pytest.mark.parametrize(
    "preprocessing",
    [
        "huggingface",
        "dinov2:32/40",
        replace(PRESETS["dinov2"], aspect="squash", crop_fraction=0.8),
        replace(PRESETS["huggingface"], aspect="short_side"),
    ],
)
def test_hugging_faces_folder_keeps_its_own_ways(preprocessing, tmp_path):
    arguments = TINY | TORCH | {"layer_norm_epsilon": 1e-12}
    arguments |= {"include_preprocessing": True, "num_layers": 1}
    preprocessing = resolve(preprocessing)
    model = keras_vit.ViT(**arguments, evaluation_preprocessing=preprocessing)
    save_weights(model, tmp_path / "a", "huggingface")
    assert told(tmp_path / "a") == preprocessing


def test_an_aspect_that_is_kept_has_no_place_there_for_rectangles(tmp_path):
    arguments = TINY | TORCH | {"include_preprocessing": True, "image_size": (32, 40)}
    model = keras_vit.ViT(**arguments, evaluation_preprocessing="dinov2")
    with pytest.raises(ValueError, match="not square. Received: 32 x 40"):
        save_weights(model, tmp_path / "a", "huggingface")
    assert not list(tmp_path.iterdir())


def test_a_model_built_with_weights_carries_it(fixtures):
    path = fixtures / "timm_token.safetensors"
    model = keras_vit.ViT(7, image_size=32, weights=path, **SIZES)
    assert meaning_of(model).preprocessing == resolve("timm:0.9")
    other = keras_vit.ViT(
        7, image_size=32, weights=path, **SIZES, evaluation_preprocessing="vit_jax"
    )
    assert meaning_of(other).preprocessing == PRESETS["vit_jax"]


def test_every_release_says_how_it_is_evaluated(fixtures, monkeypatch):
    for release in list_weights():
        assert resolve(release.preprocessing) == PRESETS["vit_jax"]
    path = fixtures / "bv_tiny_map_learn.npz"  # whose own would be another
    monkeypatch.setattr(checkpoint, "cached", lambda url: path)
    assert told("in21k", "ViT_B16") == PRESETS["vit_jax"]


@pytest.mark.parametrize("path", ["no/where.npz", "~/where.npz", "where.npz"])
def test_a_wrong_path_of_weights_is_no_unknown_name(path):
    with pytest.raises(FileNotFoundError, match=r"No such file or folder: .*where.npz"):
        find_checkpoint("ViT_Ti16", path)


def test_the_path_of_weights_may_begin_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    small = {"num_layers": 1, "num_heads": 1, "hidden_dim": 8, "mlp_dim": 8}
    model = keras_vit.ViT(2, image_size=16, patch_size=8, **small)
    keras_vit.save_weights(model, tmp_path / "mine.npz")
    assert find_checkpoint("ViT", "~/mine.npz").num_classes == 2
