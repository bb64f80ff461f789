"""Models that a publisher's own class saved answer as that class did.

Made by `tests/fixtures/peers/make.py`, so that neither PyTorch nor timm is needed here.
"""

import json
import pathlib
import warnings

import numpy as np
import pytest

import keras_vit

SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 64}
MODELS = {  # images, side of a patch, classes
    "timm_3x5": ((24, 40), 8, 5),
    "timm_13x15": ((104, 120), 8, 5),
    "timm_distilled_2x7": ((16, 56), 8, 5),
    "timm_registers_3x5": ((24, 40), 8, 5),
    "timm_average_of_norm": ((24, 24), 8, 5),
    "timm_tanh_by_name": ((24, 24), 8, 5),
    "dinov2_registers_6x6_to_4x3": ((16, 12), 4, None),
    "hf_vit_gelu_new": ((24, 24), 8, 3),
    "torchvision_heads": ((24, 24), 8, 5),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_answers_as_its_publishers_class_does(fixtures, name):
    image_size, patch_size, num_classes = MODELS[name]
    folder = fixtures / "peers" / name
    path = folder / "model.safetensors" if name == "torchvision_heads" else folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pixels that are assumed
        model = keras_vit.ViT(
            image_size=image_size,
            patch_size=patch_size,
            num_classes=num_classes,
            weights=path,
            **SIZES,
        )
    with np.load(folder / "images.npz") as file:
        images, expected = file["images"], file["outputs"]
    outputs = model.predict_on_batch(images)
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(outputs, expected, atol=2e-5 * scale, rtol=0)


FOLDERS = sorted(
    path.name
    for path in (pathlib.Path(__file__).parent.parent / "fixtures/peers").glob(
        "huggingface_*"
    )
)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_all_that_a_model_needs(name, fixtures, tmp_path):
    folder = fixtures / "peers" / name
    with np.load(folder / "images.npz") as file:
        images, expected = file["images"], file["outputs"]
    model = keras_vit.ViT(weights=folder)
    outputs = model.predict_on_batch(images)
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(outputs, expected, atol=2e-5 * scale, rtol=0)
    if name == "huggingface_vit_for_masked_images":
        assert "ViTMSN" in written_as(model, tmp_path)
    elif name not in ("huggingface_metaclip_2", "huggingface_msn_with_a_head"):
        own = json.loads((folder / "config.json").read_text())["architectures"]
        assert own == [written_as(model, tmp_path)]


def written_as(model, folder):
    """The class that is to load what is written of a model."""
    keras_vit.save_weights(model, folder / "a", "huggingface")
    return json.loads((folder / "a" / "config.json").read_text())["architectures"][0]
