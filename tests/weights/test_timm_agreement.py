"""Settings of another model than the arrays are refused; arrays say their own grid."""

import json
import pathlib

import numpy as np
import pytest

import keras_vit

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
SIZES = {"patch_size": 4, "embed_dim": 24, "num_heads": 2, "depth": 2}


def made(folder, name, image_size=(12, 20), **arguments):
    """A model of timm's in a folder as a repository has it, images, and its logits."""
    from timm.models._hub import save_for_hf

    arguments = SIZES | {"img_size": image_size} | arguments
    model = timm.create_model(name, num_classes=3, **arguments).eval()
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.data = 0.3 * torch.randn(weight.shape, generator=generator)
    save_for_hf(model, folder, model_args=arguments, safe_serialization=True)
    shape = (2, *image_size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
    mean, std = (
        torch.tensor(model.pretrained_cfg[key]).reshape(3, 1, 1)
        for key in ("mean", "std")
    )
    pixels = torch.tensor(images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        return images, model((pixels - mean) / std).numpy()


def agrees(folder, images, expected):
    found = keras_vit.ViT(weights=folder, image_size=images.shape[1:3])(images)
    atol = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=atol, rtol=0)


@pytest.mark.parametrize(
    ("name", "claimed", "message"),
    [
        ("vit_base_patch16_224", "vit_base_patch16_dinov3", "a table of positions"),
        ("vit_base_patch16_dinov3", "vit_base_patch16_224", "a table of positions"),
        ("vit_base_patch16_clip_224", "vit_base_patch16_224", "pre_norm=False"),
        ("eva02_base_patch14_224", "vit_base_patch16_224", "a gated MLP=False"),
        ("beit_base_patch16_224", "eva02_base_patch14_224", "relative positions"),
        ("aimv2_large_patch14_224", "vit_large_patch16_224", "class_token=True"),
    ],
)
def test_an_architecture_of_another_kind_is_refused(name, claimed, message, tmp_path):
    images, expected = made(tmp_path, name)
    agrees(tmp_path, images, expected)
    path = pathlib.Path(tmp_path / "config.json")
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"architecture": claimed}))
    with pytest.raises(ValueError, match=f"of another model than.*{message}"):
        keras_vit.ViT(weights=tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"depth": 3}, {"embed_dim": 48}, {"qk_norm": True}, {"reg_tokens": 1}]
)
def test_arguments_of_another_model_are_refused(wrong, tmp_path):
    made(tmp_path, "vit_base_patch16_224")
    path = pathlib.Path(tmp_path / "config.json")
    config = json.loads(path.read_text())
    config["model_args"] |= wrong
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
        keras_vit.ViT(weights=tmp_path)


@pytest.mark.parametrize("pooling", ["token", "avg", "max", "avgmax", "map"])
def test_pe_is_pooled_as_its_settings_say(pooling, tmp_path):
    name = "vit_pe_core_base_patch16_224"
    agrees(tmp_path, *made(tmp_path, name, global_pool=pooling))


def test_eva02s_pooling_by_attention_is_refused(tmp_path):
    made(tmp_path, "eva02_tiny_patch14_224", global_pool="map")
    with pytest.raises(ValueError, match="SwiGLU in the former and GELU"):
        keras_vit.ViT(weights=tmp_path)


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (6, 2)])
@pytest.mark.parametrize("image_size", [(12, 20), (12, 16)])
def test_naflexvits_table_says_its_own_grid(grid, image_size, tmp_path):
    name = "naflexvit_base_patch16_gap"  # whose 4 registers and 3 x 4 are 4 x 4, too
    options = {"pos_embed_grid_size": grid}
    agrees(tmp_path, *made(tmp_path, name, image_size, **options))


def test_naflexvits_patches_that_are_no_squares_are_refused(tmp_path):
    name = "naflexvit_base_patch16_gap"
    made(tmp_path, name, (16, 36), patch_size=(4, 9), pos_embed_grid_size=(4, 4))
    with pytest.raises(ValueError, match="square patches of NaFlexViT"):
        keras_vit.ViT(weights=tmp_path)


def test_heads_that_nobody_says_are_not_assumed(tmp_path):
    made(tmp_path, "vit_base_patch16_224")
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match="how many heads"):
        keras_vit.ViT(weights=tmp_path / "model.safetensors")
