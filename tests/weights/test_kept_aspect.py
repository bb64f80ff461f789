"""Positions that keep the aspect of patches: timm's `pos_embed_ar_preserving`."""

import json

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import load_weights, save_weights

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
from safetensors.torch import save_file  # noqa: E402

SIZES = {"embed_dim": 16, "depth": 2, "num_heads": 4, "num_classes": 5, "patch_size": 4}
NAMES = ("naflexvit_base_patch16_parfac_gap", "naflexvit_base_patch16_par_gap")


def written(name, folder, grid):
    """One of timm's models, and its file with settings."""
    arguments = SIZES | {"pos_embed_grid_size": grid}
    torch.manual_seed(0)
    model = timm.create_model(name, **arguments)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.3)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    config = {
        "architecture": name,
        "model_args": arguments,
        "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return model.eval()


def pixels(size):
    return np.random.default_rng(0).uniform(0, 255, (2, *size, 3)).astype("float32")


def logits(model, images):
    x = torch.from_numpy((images / 127.5 - 1).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        return model(x).numpy()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("grid", [(6, 6), (3, 5)])
@pytest.mark.parametrize("size", [(12, 20), (32, 8), (20, 20), (24, 24)])
def test_positions_go_to_another_grid_as_timms_do(name, grid, size, tmp_path):
    theirs = written(name, tmp_path, grid)
    model = keras_vit.ViT(weights=tmp_path, image_size=size, source_grid=grid)
    images = pixels(size)
    expected = logits(theirs, images)
    found = model.predict_on_batch(images)
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_a_grid_for_which_timm_would_resize_its_own_table_is_not_written(tmp_path):
    name = NAMES[0]
    written(name, tmp_path, (6, 6))
    model = keras_vit.ViT(weights=tmp_path, image_size=(12, 20))
    (tmp_path / "back").mkdir()
    path = tmp_path / "back" / "model.safetensors"
    with pytest.raises(ValueError, match="pos_embed_ar_preserving"):
        save_weights(model, path, "timm", architecture=name)


def test_tables_of_another_width_are_refused_by_name(tmp_path):
    written(NAMES[0], tmp_path, (7, 6))
    model = keras_vit.ViT(
        5,
        image_size=20,
        patch_size=4,
        num_layers=2,
        num_heads=4,
        hidden_dim=32,
        mlp_dim=64,
        pooling="gap",
        fc_norm=True,
        num_registers=4,
        layer_scale=0.1,
        activation="gelu_erf",
        position_embedding="factorized",
    )
    wrong = r"pos_embed_x \(.*\): expected \(6, 32\), received \(6, 16\)"
    with pytest.raises(ValueError, match=rf"model.safetensors \(timm\)[\s\S]*{wrong}"):
        load_weights(model, tmp_path)


@pytest.mark.parametrize("position_embedding", ["factorized", "learned_2d"])
def test_positions_of_axes_are_written_for_no_other_architecture(
    position_embedding, tmp_path
):
    model = keras_vit.ViT_Ti16(
        5,
        image_size=32,
        activation="gelu_erf",
        position_embedding=position_embedding,
    )
    with pytest.raises(ValueError, match="pos_embed|position_embedding_x"):
        save_weights(model, tmp_path / "model.safetensors", "timm")
