"""Models of timm's, one for each distinct set of options, load right and go back out.

Made by `tests/fixtures/peers/make_choices.py`, so that neither PyTorch nor timm is
needed here; `benchmarks/coverage.py` tries every name of timm's.
"""

import json
import pathlib
import shutil

import numpy as np
import pytest

import keras_vit
from keras_vit.weights import save_weights
from keras_vit.weights.files import open_arrays

CHOICES = pathlib.Path(__file__).parents[1] / "fixtures/peers/choices"
NAMES = sorted(folder.name for folder in CHOICES.iterdir())
# Whose arrays alone determine the model: a plain one but for a norm less.
PLAIN = "vit_intern300m_patch14_448"
every_choice = pytest.mark.parametrize("name", NAMES)


def loaded(name):
    with np.load(CHOICES / name / "images.npz") as file:
        images, outputs = file["images"], file["outputs"]
    model = keras_vit.ViT(weights=CHOICES / name, image_size=images.shape[1:3])
    return model, images, outputs


@pytest.mark.one_in(4)
@every_choice
def test_a_model_answers_as_timms_class_does_and_goes_back_as_it_was(name, tmp_path):
    model, images, outputs = loaded(name)
    scale = max(1, np.abs(outputs).max())
    found = model.predict_on_batch(images)
    np.testing.assert_allclose(found, outputs, atol=2e-5 * scale, rtol=0)

    save_weights(model, tmp_path / "model.safetensors", "timm", architecture=name)
    before = open_arrays(CHOICES / name / "model.safetensors")
    after = open_arrays(tmp_path / "model.safetensors")
    assert {n: a.shape for n, a in after.items()} == {
        n: a.shape if "pos_embed" not in n else after[n].shape
        for n, a in before.items()
    }
    again = keras_vit.ViT(weights=tmp_path, image_size=images.shape[1:3])
    np.testing.assert_allclose(
        again.predict_on_batch(images), found, atol=2e-6 * scale, rtol=0
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name != PLAIN])
def test_a_file_without_settings_is_refused_where_arrays_do_not_determine(
    name, tmp_path
):
    path = tmp_path / "bare.safetensors"
    shutil.copy(CHOICES / name / "model.safetensors", path)
    with pytest.raises(ValueError, match="pass architecture=, timm's name"):
        keras_vit.ViT(weights=path, image_size=20, num_heads=4)


def test_the_callers_name_stands_for_settings(tmp_path):
    name = "eva02_tiny_patch14_336"
    _, images, outputs = loaded(name)
    path = tmp_path / "bare.safetensors"
    shutil.copy(CHOICES / name / "model.safetensors", path)
    settings = json.loads((CHOICES / name / "config.json").read_text())
    mean, std = (
        [255 * value for value in settings["pretrained_cfg"][key]]
        for key in ("mean", "std")
    )
    options = {"weights": path, "image_size": (12, 20), "source_grid": (3, 5)}
    options |= {"pixel_mean": mean, "pixel_std": std}
    with pytest.raises(ValueError, match="how many heads"):  # of another width
        keras_vit.ViT(architecture=name, **options)
    options["num_heads"] = settings["model_args"]["num_heads"]
    model = keras_vit.ViT(architecture=name, **options)
    scale = max(1, np.abs(outputs).max())
    found = model.predict_on_batch(images)
    np.testing.assert_allclose(found, outputs, atol=2e-5 * scale, rtol=0)

    with pytest.raises(ValueError, match="'eva02_tiny_patch14_337'. Did you mean"):
        keras_vit.ViT(architecture="eva02_tiny_patch14_337", **options)
    with pytest.raises(ValueError, match=f"Expected architecture='{name}', or none"):
        keras_vit.ViT(
            architecture="vit_tiny_patch16_224",
            weights=CHOICES / name,
            image_size=(12, 20),
        )
