"""timm builds our model from the `config.json` that we write, and loads it strictly."""

import json

import numpy as np
import pytest

import keras_vit
from keras_vit import layers
from keras_vit.weights import load_weights, save_weights
from keras_vit.weights.sources.timm_positions import embeds_patches_alone
from support.fixture_models import TINY, TORCH
from support.models import randomize

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

GAP = {"pooling": "gap", "fc_norm": True}
DEIT3 = "deit3_small_patch16_224"
CASES = {  # arguments beside TINY, the architecture asked for, rows before the patches'
    "plain": ({}, None, 1),
    "deit3": ({"layer_scale": 0.1}, DEIT3, 0),
    "deit3 without LayerScale": ({}, DEIT3, 0),
    "flexivit, rectangular": ({"image_size": (24, 40)}, "flexivit_small", 0),
    "registers": ({"num_registers": 4, "qk_norm": True}, None, 0),
    "registers with positions": (
        {"num_registers": 3, "image_size": (40, 24)},
        "vit_so150m_patch16_reg4_gap_256",
        4,
    ),
    "dinov2 with registers": (
        {"num_registers": 4, "layer_scale": 1e-5},
        "vit_small_patch14_reg4_dinov2.lvd142m",
        0,
    ),
    "no class token, registers": (GAP | {"num_registers": 2}, None, 0),
    "distilled": ({"distillation": True, "image_size": (16, 56)}, None, 2),
    "distilled, by name": (
        {"distillation": True},
        "deit_tiny_distilled_patch16_224",
        2,
    ),
    "average with fc_norm": (GAP | {"class_token": True}, None, 1),
    "average without fc_norm": ({"pooling": "gap", "class_token": True}, None, 1),
    "average without a class token": (GAP, "vit_base_patch16_siglip_gap_224", 0),
    "a rectangle": ({"image_size": (24, 40)}, None, 1),
    "pixels left over": ({"image_size": (37, 35)}, None, 1),
    "patches that are no squares": ({"patch_size": (4, 8), "mlp_dim": 67}, None, 1),
    "no positions": ({"position_embedding": "none"}, None, 0),
    "no head": ({"num_classes": None}, None, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_timm_builds_and_strictly_loads_every_kind(case, tmp_path, rng):
    from safetensors.torch import load_file

    arguments, architecture, rows = CASES[case]
    model = randomize(keras_vit.ViT(**(TINY | TORCH | arguments)), rng)
    path = tmp_path / "model.safetensors"
    save_weights(model, path, "timm", architecture=architecture)
    config = json.loads((tmp_path / "config.json").read_text())
    arrays = load_file(path)
    grid = model.get_layer("patch_encoder").grid
    if "none" not in arguments.values():
        assert arrays["pos_embed"].shape[1] == rows + grid[0] * grid[1]
    images = rng.normal(size=(2, *model.input_shape[1:])).astype("float32")
    expected = model(images)
    for network in (
        timm.create_model(f"local-dir:{tmp_path}", pretrained=True),
        timm.create_model(
            config["architecture"],
            num_classes=config["num_classes"],
            **config["model_args"],
        ),
    ):
        network.load_state_dict(arrays, strict=True)
        with torch.no_grad():
            logits = network.eval()(torch.tensor(images.transpose(0, 3, 1, 2)))
        np.testing.assert_allclose(expected, logits, atol=1e-5, rtol=1e-4)
    again = keras_vit.ViT(**(TINY | TORCH | arguments))
    load_weights(again, path)
    np.testing.assert_allclose(again(images), expected, atol=1e-6)


def test_a_file_without_class_positions_comes_out_so(tmp_path, rng):
    from safetensors.numpy import load_file

    model = randomize(keras_vit.ViT(**(TINY | TORCH)), rng)
    save_weights(model, tmp_path / "a.safetensors", "timm", architecture=DEIT3)
    again = keras_vit.ViT(**(TINY | TORCH))
    load_weights(again, tmp_path / "a.safetensors")
    (tmp_path / "b").mkdir()
    save_weights(again, tmp_path / "b" / "a.safetensors", "timm")
    first, out = (
        load_file(folder / "a.safetensors") for folder in (tmp_path, tmp_path / "b")
    )
    assert out.keys() == first.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(out[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "architecture", "message"),
    [
        ({}, "resnet50", "Unknown architecture.*such as 'vit_base_patch16_224'"),
        ({}, "vit_base_patch16_rope_ape_224", "differs from 'vit' in blocks"),
        ({}, "vit_base_patch16_clip_224", "differs from 'vit' in norm_layer"),
        ({}, "beit_base_patch16_224", "differs from 'vit' in qkv_bias, rel_pos_type"),
        ({}, "deit_tiny_distilled_patch16_224", "of the model's kind"),
        ({}, "vit_base_r50_s16_224", "of the model's kind"),
        ({}, "vit_base_resnet50_384", "of the model's kind"),
        ({"distillation": True}, DEIT3, "such as 'deit_base_distilled_patch16_224'"),
        ({"distillation": True, "num_registers": 1}, None, "no registers beside"),
    ],
)
def test_what_timm_would_compute_otherwise_is_refused(
    arguments, architecture, message, tmp_path
):
    model = keras_vit.ViT(**(TINY | TORCH | arguments))
    with pytest.raises(ValueError, match=message):
        save_weights(
            model, tmp_path / "a.safetensors", "timm", architecture=architecture
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "pooling",
    [
        "token_gap",
        "prefix_gap",
        {"kind": "map", "num_heads": 1},
        {"kind": "map", "mlp": False},
    ],
)
def test_a_pooling_that_timm_does_not_have_is_refused(pooling, tmp_path):
    model = keras_vit.ViT(**(TINY | TORCH | {"pooling": pooling}))
    with pytest.raises(ValueError, match="cannot hold pooling="):
        save_weights(model, tmp_path / "a.safetensors", "timm")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"head_bias": False}, "head_bias"),
        ({"patch_norm": True}, "embed_norm_layer"),
        ({"patch_bias": False}, "bias of patches"),
        ({"pre_norm": True}, "bias of patches"),
        ({"block": {"num_key_value_heads": 2}}, "num_kv_heads"),
        (
            {"block": {"mlp_layer_scale": False}, "layer_scale": 0.1},
            "layer scale of MLPs",
        ),
    ],
)
def test_parts_that_timms_class_does_not_have_are_refused(arguments, message, tmp_path):
    model = keras_vit.ViT(**(TINY | TORCH | arguments))
    with pytest.raises(ValueError, match=f"differs from its usual ones in {message}"):
        save_weights(model, tmp_path / "a.safetensors", "timm")
    assert not list(tmp_path.iterdir())


def test_a_name_in_place_of_settings_says_nothing_of_pixels(tmp_path, rng):
    pixels = {"pixel_mean": 100.0, "pixel_std": 50.0, "include_preprocessing": True}
    sizes = {"num_heads": 12, "hidden_dim": 48}  # as of the name
    model = randomize(keras_vit.ViT(**(TINY | TORCH | sizes | pixels)), rng)
    save_weights(model, tmp_path / "a.safetensors", "timm")
    (tmp_path / "config.json").unlink()
    again = keras_vit.ViT(
        "auto",
        weights=tmp_path / "a.safetensors",
        architecture="vit_base_patch16_224",
        num_heads=12,
    )
    assert again.get_layer("features").arguments["pixel_mean"] == [100.0] * 3


def test_an_architecture_goes_with_timm_alone(tmp_path):
    save_weights(keras_vit.ViT(**TINY), tmp_path / "b.npz")
    with pytest.raises(ValueError, match="names one of timm's, and the weights are go"):
        keras_vit.ViT("auto", weights=tmp_path / "b.npz", architecture=DEIT3)
    with pytest.raises(ValueError, match="Expected weights= with it"):
        keras_vit.ViT_S16(10, architecture=DEIT3)
    with pytest.raises(ValueError, match="goes with format='timm'"):
        save_weights(keras_vit.ViT(**TINY), tmp_path / "a.npz", architecture=DEIT3)


def test_a_config_of_other_weights_is_not_replaced(tmp_path, rng):
    first = randomize(keras_vit.ViT(**(TINY | TORCH)), rng)
    other = keras_vit.ViT(**(TINY | TORCH | {"num_classes": 3}))
    save_weights(first, tmp_path / "a.safetensors", "timm")
    save_weights(first, tmp_path / "b.safetensors", "timm")  # the same config
    with pytest.raises(ValueError, match="belongs to other weights"):
        save_weights(other, tmp_path / "c.safetensors", "timm")
    assert {p.name for p in tmp_path.iterdir()} == {
        *("a.safetensors", "b.safetensors", "config.json")
    }


def test_a_stem_that_timm_has_no_name_for_gets_none(tmp_path):
    stem = layers.ResNetStem((1,), 0.5, name="stem")
    model = keras_vit.ViT(**(TINY | TORCH | {"stem": stem, "patch_size": 1}))
    save_weights(model, tmp_path / "a.safetensors", "timm")
    assert "architecture" not in json.loads((tmp_path / "config.json").read_text())


def test_a_name_says_whether_patches_alone_have_positions():
    assert embeds_patches_alone("deit3_base_patch16_224.fb_in22k_ft_in1k") is True
    assert embeds_patches_alone("vit_base_patch16_224") is False
    assert embeds_patches_alone("somebodys_vit") is None
