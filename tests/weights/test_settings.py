"""What a repository says of its model is used, or refused by name."""

import json
import logging

import numpy as np
import pytest

import keras_vit
from keras_vit.meaning import meaning_of
from keras_vit.preprocessing import PRESETS
from keras_vit.weights import find_checkpoint, load_weights
from keras_vit.weights.sources import huggingface_config

torch = pytest.importorskip("torch")
SIZES = {"patch_size": 8, "num_layers": 2, "num_heads": 2}
SIZES |= {"hidden_dim": 32, "mlp_dim": 64}
PLAIN = SIZES | {"include_preprocessing": False}


@pytest.fixture
def timm():
    try:
        import timm
    except Exception as error:  # timm imports torchvision, whose builds must match
        pytest.skip(f"timm cannot be imported: {error}")
    return timm


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers")


def random_network(network):
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def of_timm(timm, name="vit_tiny_patch16_224", **arguments):
    """A small model of timm's by a name, as `create_model` makes it."""
    sizes = {"img_size": (24, 40), "patch_size": 8, "embed_dim": 32, "depth": 2}
    sizes |= {"num_heads": 2, "mlp_ratio": 2, "num_classes": 5}
    return random_network(timm.create_model(name, **(sizes | arguments)))


def saved(network, folder, **settings):
    """A folder as a repository lays it out."""
    from safetensors.torch import save_file

    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def logits(network, images):
    with torch.no_grad():
        output = network(torch.tensor(images.transpose(0, 3, 1, 2)))
    return getattr(output, "logits", output).numpy()


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 24, 40, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("vit_tiny_patch16_224", {"global_pool": "avg", "fc_norm": False}),
        ("vit_tiny_patch16_224", {"global_pool": "avg"}),
        ("vit_tiny_patch16_224", {"act_layer": "gelu_tanh"}),
        ("vit_tiny_patch16_224", {"pos_embed": "none"}),
        ("vit_base_patch32_siglip_gap_256", {}),
        ("vit_base_patch32_siglip_256", {}),  # pooled by attention, GELU by tanh
        ("vit_base_patch16_siglip_224", {}),
        ("eva_large_patch14_196", {}),
        ("vit_tiny_patch16_224", {"global_pool": "max", "fc_norm": False}),
        ("vit_tiny_patch16_224", {"global_pool": "avgmax"}),
        ("vit_tiny_patch16_224", {"act_layer": "quick_gelu", "qkv_bias": False}),
        ("vit_tiny_patch16_224", {"norm_layer": "rmsnorm", "pre_norm": True}),
        ("vit_tiny_patch16_224", {"final_norm": False, "proj_bias": False}),
        ("vit_tiny_patch16_224", {"scale_attn_norm": True, "scale_mlp_norm": True}),
    ],
)
def test_timms_models_compute_as_their_settings_say(
    name, arguments, timm, images, tmp_path
):
    network = of_timm(timm, name, **arguments)
    path = tmp_path / "repository"
    timm.models._hub.save_for_hf(network, path, safe_serialization=True)
    model = keras_vit.ViT(weights=path, image_size=(24, 40), **PLAIN)
    np.testing.assert_allclose(model(images), logits(network, images), atol=2e-4)
    assert model.output_shape == (None, 5)


def test_pooling_is_read_where_it_stands_beside_the_arguments(timm, images, tmp_path):
    network = of_timm(timm, global_pool="avg", fc_norm=False)
    settings = {"architecture": "vit_base_patch16_224", "global_pool": "avg"}
    settings |= {"model_args": {"num_heads": 2}, "pretrained_cfg": {}}
    path = saved(network, tmp_path, **settings)
    model = keras_vit.ViT(weights=path, image_size=(24, 40), **PLAIN)
    np.testing.assert_allclose(model(images), logits(network, images), atol=2e-4)
    other = keras_vit.ViT(
        image_size=(24, 40), num_classes=5, activation="gelu_erf", **PLAIN
    )
    with pytest.raises(ValueError, match="Build it with pooling='gap'. Received: "):
        load_weights(other, path)
    load_weights(other, path, head="reset")  # whose features may be pooled otherwise


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"global_pool": "prr"}, "global_pool='prr'"),
        ({"model_args": {"act_layer": "relu"}}, "act_layer='relu'"),
        ({"model_args": {"norm_layer": "batchnorm"}}, "norm_layer='batchnorm'"),
        ({"model_args": {"attn_layer": "lambda"}}, "attn_layer='lambda'"),
        ({"model_args": {"in_chans": 1}}, "in_chans=1"),
        ({"model_args": {"act_layer": ["gelu"]}}, r"act_layer=\['gelu'\]"),
        ({"model_args": {"of_tomorrow": 3}}, "of_tomorrow=3"),
        ({"model_args": {"block_fn": "BlockOfTomorrow"}}, "block_fn='BlockOfTom"),
        ({"model_args": {"embed_layer": "HybridEmbed(Net)"}}, "'HybridEmbed.Net"),
        ({"architecture": "vitamin_small_224"}, "none of timm's Vision"),
        (
            {"global_pool": "avg", "model_args": {"global_pool": "token"}},
            "must state one pooling",
        ),
    ],
)
def test_what_timms_settings_say_and_no_model_has_is_refused_by_name(
    settings, message, fixtures, tmp_path
):
    file = (fixtures / "timm_token.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(file)
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=message):
        keras_vit.ViT(7, image_size=32, weights=tmp_path, **(SIZES | {"num_heads": 4}))
    model = keras_vit.ViT(
        num_classes=7,
        image_size=32,
        activation="gelu_erf",
        **(SIZES | {"num_heads": 4}),
    )
    with pytest.raises(ValueError, match=message):
        load_weights(model, tmp_path)


def test_mean_and_std_that_timms_settings_leave_out_are_those_of_its_defaults(
    timm, fixtures, tmp_path
):
    from timm.models._pretrained import PretrainedCfg

    file = (fixtures / "timm_token.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(file)
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {}}))
    told = find_checkpoint("ViT", tmp_path).arguments
    theirs = PretrainedCfg()
    np.testing.assert_allclose(told["pixel_mean"], 255 * np.array(theirs.mean))
    np.testing.assert_allclose(told["pixel_std"], 255 * np.array(theirs.std))


def test_a_bare_file_of_timm_warns_of_what_is_assumed(fixtures):
    sizes = SIZES | {"num_heads": 4}
    path = fixtures / "timm_token.safetensors"
    with pytest.warns(UserWarning, match="assumed are mean and std of 0.5"):
        keras_vit.ViT(7, image_size=32, weights=path, **sizes)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras_vit.ViT(
            7, image_size=32, weights=path, include_preprocessing=False, **sizes
        )
        keras_vit.ViT(
            7, image_size=32, weights=path, pixel_mean=100, pixel_std=50, **sizes
        )


def of_transformers(transformers, kind, **settings):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "image_size": [24, 40], "patch_size": 8}
    if kind.startswith("Dinov2"):
        sizes["mlp_ratio"] = 2
        del sizes["intermediate_size"]
    name = kind.replace("ForImageClassification", "").removesuffix("Model")
    config = getattr(transformers, f"{name}Config")(**(sizes | settings))
    return random_network(getattr(transformers, kind)(config))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ViTForImageClassification", {"hidden_act": "gelu_fast"}),
        ("ViTForImageClassification", {"hidden_act": "gelu_new"}),
        ("ViTForImageClassification", {"layer_norm_eps": 0.1}),
        ("ViTMSNForImageClassification", {}),
    ],
)
def test_hugging_faces_models_compute_as_their_settings_say(
    kind, settings, transformers, images, tmp_path
):
    network = of_transformers(transformers, kind, num_labels=3, **settings)
    network.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="preprocessor_config.json"):
        keras_vit.ViT(weights=tmp_path, **SIZES)
    model = keras_vit.ViT(weights=tmp_path, **PLAIN)
    assert model.output_shape == (None, 3)
    np.testing.assert_allclose(model(images), logits(network, images), atol=2e-4)


def test_dinov2s_epsilon_is_that_of_its_settings(transformers, images, tmp_path):
    settings = {"layer_norm_eps": 0.1, "image_size": 24}
    network = of_transformers(transformers, "Dinov2Model", **settings)
    network.save_pretrained(tmp_path)
    images = images[:, :, :24]
    model = keras_vit.ViT(weights=tmp_path, **PLAIN)
    with torch.no_grad():
        theirs = network(torch.tensor(images.transpose(0, 3, 1, 2))).pooler_output
    np.testing.assert_allclose(model(images), theirs, atol=2e-4)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("ViTForImageClassification", {"hidden_act": "relu"}, "hidden_act='relu'"),
        ("ViTForImageClassification", {"hidden_act": "mish"}, "hidden_act='mish'"),
        ("ViTForImageClassification", {"num_channels": 1}, "num_channels=1"),
        ("ViTModel", {"pooler_act": "relu"}, "pooler_act='relu'"),
    ],
)
def test_what_hugging_faces_settings_say_and_no_model_has_is_refused_by_name(
    kind, settings, message, transformers, tmp_path
):
    of_transformers(transformers, kind, **settings).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        keras_vit.ViT(weights=tmp_path, **PLAIN)


def test_each_name_of_gelu_is_the_function_that_it_stands_for(transformers):
    from transformers.activations import ACT2FN

    from keras_vit.layers.mlp import ACTIVATIONS

    x = np.linspace(-6, 6, 401, dtype="float32")
    ours = {key: np.asarray(function(x)) for key, function in ACTIVATIONS.items()}
    for name in ACT2FN:
        known = huggingface_config.ACTIVATIONS.get(name)
        if known is not None:
            theirs = ACT2FN[name](torch.tensor(x)).numpy()
            assert np.abs(ours[known] - theirs).max() < 2e-6, name


def test_a_model_of_another_kind_is_named(transformers, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "dinov3_vit"}))
    from safetensors.numpy import save_file

    array = np.zeros((2, 2), np.float32)
    save_file({"layer.0.attention.q.weight": array}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="Received: a 'dinov3_vit', as config.json"):
        find_checkpoint("ViT", tmp_path)


PROCESSORS = {  # a processor of the library: its settings
    "ViTImageProcessor": [
        {"size": {"height": 24, "width": 24}},
        {"do_normalize": False, "size": {"height": 24, "width": 24}},
        {"do_rescale": False, "size": {"height": 24, "width": 24}},
        {"do_rescale": False, "do_normalize": False, "size": 24},
        {"rescale_factor": 1 / 127.5, "image_std": [1, 2, 3], "size": 24},
    ],
    "SiglipImageProcessor": [{"size": {"height": 24, "width": 24}}],
    "DINOv3ViTImageProcessor": [{"size": {"height": 24, "width": 24}}],
    "BitImageProcessor": [
        {"size": {"shortest_edge": 30}, "crop_size": {"height": 24, "width": 24}},
    ],
    "DeiTImageProcessor": [
        {"size": {"height": 30, "width": 30}, "crop_size": {"height": 24, "width": 24}}
    ],
    "CLIPImageProcessor": [{"size": {"shortest_edge": 24}, "crop_size": 24}],
}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(kind, each) for kind, some in PROCESSORS.items() for each in some],
)
def test_pixels_reach_the_model_as_hugging_faces_processor_makes_them(
    kind, settings, transformers, fixtures, tmp_path, rng
):
    from keras_vit.data.preprocessing import preprocess

    rows, columns = np.mgrid[0:57, 0:91]
    photograph = np.stack([rows * 4, columns * 2, (rows + columns)], -1)
    photograph = (photograph + rng.integers(0, 30, photograph.shape)).clip(0, 255)
    photograph = photograph.astype(np.uint8)
    processor = getattr(transformers, kind)(**settings)
    theirs = processor(photograph, return_tensors="np")["pixel_values"][0]
    file = (fixtures / "hf_vit.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(file)
    processor.save_pretrained(tmp_path)
    model = keras_vit.ViT(image_size=24, weights=tmp_path, **(SIZES | {"num_heads": 4}))
    ours = preprocess(photograph, (24, 24), meaning_of(model).preprocessing)
    ours = model.get_layer("preprocessing")(np.asarray(ours)[None])[0]
    theirs = theirs.transpose(1, 2, 0)
    scale = np.asarray(model.get_layer("preprocessing").input_variance) ** 0.5
    # A level of 255 in a few pixels, by rounding: Pillow's, and torchvision's.
    assert np.abs((ours - theirs) * scale).max() < 3
    assert np.abs((ours - theirs) * scale).mean() < 0.3


def test_a_processor_that_resizes_nothing_is_said(fixtures, tmp_path):
    file = (fixtures / "hf_vit.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(file)
    told = {"image_processor_type": "ViTImageProcessor", "do_resize": False}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    with pytest.warns(
        UserWarning, match="not support the preprocessing.*do_resize=False"
    ):
        arguments = find_checkpoint("ViT", tmp_path).arguments
    assert arguments["evaluation_preprocessing"] == PRESETS["vit_jax"]


def test_towers_of_image_and_text_squash_and_classifiers_crop(fixtures, tmp_path):
    """big_vision's SigLIP: `resize(res)|value_range(-1, 1)`."""
    arrays = {
        name.removeprefix("params/"): array
        for name, array in np.load(fixtures / "bv_tiny_map_learn.npz").items()
    }
    path = tmp_path / "classifier.npz"
    np.savez(path, **arrays)
    told = find_checkpoint("ViT", path).arguments["evaluation_preprocessing"]
    assert told == PRESETS["big_vision"]
    tower = {f"params/img/{name}": array for name, array in arrays.items()}
    headless = {k: v for k, v in arrays.items() if not k.startswith("head/")}
    for some in (tower, headless):
        np.savez(path, **some)
        told = find_checkpoint("ViT", path).arguments["evaluation_preprocessing"]
        assert (told.aspect, told.crop_fraction) == ("squash", 1)
        assert (told.method, told.antialias, told.levels) == (
            *("bilinear", False, "truncate"),
        )


def test_names_of_classes_are_known(fixtures, tmp_path, transformers):
    names = {number: f"animal {number}" for number in range(3)}
    network = of_transformers(transformers, "ViTForImageClassification", id2label=names)
    network.save_pretrained(tmp_path)
    assert find_checkpoint("ViT", tmp_path).class_names == tuple(names.values())
    assert keras_vit.ViT(weights=tmp_path, **PLAIN).output_shape == (None, 3)


def test_a_head_that_is_replaced_is_logged(fixtures, caplog):
    sizes = PLAIN | {"num_heads": 4}
    with caplog.at_level(logging.WARNING, "keras_vit"):
        keras_vit.ViT(
            7, image_size=32, weights=fixtures / "vit_tiny_token.npz", **sizes
        )
        keras_vit.ViT(
            None, image_size=32, weights=fixtures / "vit_tiny_token.npz", **sizes
        )
        assert not caplog.records
        keras_vit.ViT(
            3, image_size=32, weights=fixtures / "vit_tiny_token.npz", **sizes
        )
    assert "its head of 7 classes is replaced by one of 3" in caplog.text
