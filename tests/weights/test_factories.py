import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.factories import FACTORIES, arguments_of
from keras_vit.releases import RELEASES
from keras_vit.variants import VARIANTS
from keras_vit.weights import (
    checkpoint,
    download,
    imagenet_classes,
    list_weights,
    save_weights,
)
from support.fixture_models import MODELS, SIZES, TINY
from support.models import randomize


@pytest.mark.parametrize("file", [file for file in MODELS if "hybrid" not in file])
def test_a_path_settles_everything_but_the_sizes(file, fixtures):
    """Nothing is said of GELU, epsilon, pooling, pre-logits, tokens or norms."""
    stem = file.rsplit(".", 1)[0]
    images = np.load(fixtures / f"{stem}_input.npy")
    model = keras_vit.ViT(
        num_classes=None if "nohead" in file else 7,
        image_size=images.shape[1:3],
        weights=fixtures / file,
        include_preprocessing=False,
        **SIZES,
        **({"layer_norm_epsilon": 1e-12} if "hf" in file else {}),
    )
    logits = np.load(fixtures / f"{stem}_logits.npy")
    np.testing.assert_allclose(model(images), logits, atol=2e-5, rtol=0)


def test_another_number_of_classes_gives_a_zero_head_without_pre_logits(fixtures):
    path = fixtures / "vit_tiny_token_rep24.npz"
    model = keras_vit.ViT(3, image_size=48, weights=path, **SIZES)
    assert model.output_shape == (None, 3)
    assert not model.get_layer("head").kernel.numpy().any()
    assert "pre_logits" not in {layer.name for layer in model.layers}
    kept = keras_vit.ViT(
        3, image_size=48, weights=path, **SIZES, representation_size=24
    )
    assert kept.get_layer("pre_logits").kernel.numpy().any()
    headless = keras_vit.ViT(None, image_size=48, weights=path, **SIZES)
    assert headless.output_shape == (None, 32)


def test_an_argument_that_clashes_with_the_weights_is_told(fixtures):
    with pytest.raises(ValueError, match="Build it with activation='gelu_tanh'"):
        keras_vit.ViT(
            7,
            image_size=32,
            weights=fixtures / "vit_tiny_token.npz",
            activation="gelu_erf",
            **SIZES,
        )


def test_pixels_are_normalised_as_the_folder_says(tmp_path, rng):
    arguments = TINY | {
        "activation": "gelu_erf",
        "include_preprocessing": True,
        "pixel_mean": (120.0, 110.0, 100.0),
        "pixel_std": (60.0, 58.0, 57.0),
    }
    model = randomize(keras_vit.ViT(**arguments, layer_norm_epsilon=1e-12), rng)
    save_weights(model, tmp_path / "a", "huggingface")
    again = keras_vit.ViT(7, weights=tmp_path / "a", **SIZES)
    assert again.input_shape == (None, 32, 32, 3)  # of config.json
    images = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(again(images), model(images), atol=1e-5)


def test_timms_and_torchvisions_pixels_are_their_own(fixtures, tmp_path):
    def mean(path):
        model = keras_vit.ViT(7, image_size=32, weights=path, **SIZES)
        return model.get_layer("preprocessing").input_mean

    imagenet = [123.675, 116.28, 103.53]
    np.testing.assert_allclose(mean(fixtures / "torchvision_vit.safetensors"), imagenet)
    assert mean(fixtures / "timm_token.safetensors") == [127.5] * 3
    file = (fixtures / "timm_token.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(file)
    config = {"pretrained_cfg": {"mean": [0.485, 0.456, 0.406], "std": [0.2] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    np.testing.assert_allclose(mean(tmp_path), imagenet)


def test_a_release_is_downloaded_once_and_used(fixtures, monkeypatch, tmp_path):
    """ViT_Ti16 on a file made here: no published file is at hand."""
    model = keras_vit.ViT_Ti16(num_classes=1000, image_size=384)
    save_weights(model, tmp_path / "a.npz")
    urls = []
    monkeypatch.setattr(
        checkpoint, "cached", lambda url: urls.append(url) or tmp_path / "a.npz"
    )
    again = keras_vit.ViT_Ti16(weights="augreg_in21k_in1k")
    assert again.input_shape == (None, 384, 384, 3)
    assert urls == [
        "https://storage.googleapis.com/vit_models/augreg/"
        "Ti_16-i21k-300ep-lr_0.001-aug_none-wd_0.03-do_0.0-sd_0.0"
        "--imagenet2012-steps_20k-lr_0.03-res_384.npz"
    ]
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    names = tuple(one.name for one in imagenet_classes())
    assert Classifier.of(again).class_names == names
    again.save(tmp_path / "a.keras")
    assert Classifier.of(tmp_path / "a.keras").class_names == names
    other = keras_vit.ViT_Ti16(10, weights="augreg_in21k_in1k")
    assert Classifier.of(other).class_names is None


@pytest.mark.parametrize(
    ("repository", "num_classes", "named"),
    [
        ("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 1000, True),
        ("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 7, False),
        ("timm/vit_tiny_patch16_224.augreg_in21k", 1000, False),
        ("someone/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 1000, False),
    ],
)
def test_timms_own_releases_for_imagenet_have_its_classes_names(
    repository, num_classes, named, monkeypatch, tmp_path
):
    settings = TINY | {"num_classes": num_classes, "activation": "gelu_erf"}
    save_weights(keras_vit.ViT(**settings), tmp_path / "a.safetensors", "timm")
    monkeypatch.setattr(checkpoint, "from_hub", lambda _: tmp_path / "a.safetensors")
    model = keras_vit.ViT(weights=f"hf:{repository}", **SIZES)
    names = Classifier.of(model).class_names
    expected = tuple(one.name for one in imagenet_classes())
    assert names == (expected if named else None)


def test_a_repository_of_the_hub_is_read(fixtures, monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    file = (fixtures / "hf_vit.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(file)
    config = (fixtures / "hf_vit_config.json").read_text()
    (tmp_path / "config.json").write_text(config)

    def hf_hub_download(repository, name):
        assert repository == "google/vit"
        if not (tmp_path / name).is_file():
            raise hub.errors.EntryNotFoundError.__new__(hub.errors.EntryNotFoundError)
        return str(tmp_path / name)

    monkeypatch.setattr(hub, "hf_hub_download", hf_hub_download)
    model = keras_vit.ViT(
        7, weights="hf:google/vit", include_preprocessing=False, **SIZES
    )
    images = np.load(fixtures / "hf_vit_input.npy")
    logits = np.load(fixtures / "hf_vit_logits.npy")
    np.testing.assert_allclose(model(images), logits, atol=2e-5, rtol=0)


def test_a_repository_that_cannot_be_had_says_what_to_do(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")

    def fail(repository, name):
        raise hub.errors.RepositoryNotFoundError.__new__(
            hub.errors.RepositoryNotFoundError
        )

    monkeypatch.setattr(hub, "hf_hub_download", fail)
    with pytest.raises(OSError, match="huggingface.co/no/body into a folder"):
        keras_vit.ViT_B16(weights="hf:no/body")


def test_without_huggingface_hub_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install .*\[hub\]"):
        download.from_hub("google/vit")


def test_unknown_weights_are_refused_with_the_choices():
    with pytest.raises(
        ValueError, match="Expected augreg_in21k, augreg_in21k_in1k, in"
    ):
        keras_vit.ViT_B16(weights="imagenet")


def test_every_release_is_of_a_variant_and_has_a_file_of_its_own():
    assert {variant for variant, _ in RELEASES} <= set(VARIANTS)
    assert len({release.url for release in list_weights()}) == len(list_weights())
    assert len(RELEASES) == len(list_weights())
    recommended = {v for v, name in RELEASES if name == "augreg_in21k_in1k"}
    assert len(recommended) == 9
    for release in list_weights():
        assert bool(release.top1) == bool(release.top1_source)
        assert "+" not in release.url


@pytest.mark.parametrize("name", [*VARIANTS, "ViT"])
def test_a_factorys_signature_holds_the_documented_arguments(name):
    parameters = arguments_of(FACTORIES[name])
    assert list(parameters)[:3] == ["num_classes", "image_size", "weights"]
    for argument in ("pooling", "representation_size", "activation", "dropout_rate"):
        assert argument in parameters
    assert ("hidden_dim" in parameters) == (name == "ViT")


def test_the_resnet_baselines_are_the_stem_with_a_head():
    with keras.StatelessScope(initialize_variables=False):
        r50, r26 = keras_vit.ResNet_R50(10), keras_vit.ResNet_R26(num_classes=None)
        stem = keras_vit.R50_ViT_B32().get_layer("stem").count_params()
        assert r50.count_params() == stem + 2048 * 10 + 10
    assert r26.output_shape == (None, 2048)
