"""FlexiViT's pseudo-inverse resize, by other roads to its answers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit import layers
from keras_vit.weights import load_weights, resize, save_weights
from keras_vit.weights.patches import resize_kernel
from support.fixture_models import TINY
from support.models import randomize, tiny_vit


def interpolated(images, size):
    """By TensorFlow, without antialiasing, as in the authors' code."""
    return tf.image.resize(images, size, method="bilinear").numpy()


def read(patches, kernel):
    """<x, w> of each patch and each of the D columns of a kernel."""
    return patches.reshape(len(patches), -1) @ kernel


def is_told(told, expected, atol):
    """Whether numbers agree, by the largest of them."""
    return np.abs(told - expected).max() <= atol * np.abs(expected).max()


@pytest.mark.parametrize(
    ("old", "new"),
    [((4, 4), (8, 8)), ((8, 8), (12, 9)), ((16, 16), (32, 32)), ((3, 5), (7, 5))],
)
def test_a_larger_patch_reads_as_the_small_one_did(old, new, rng):
    kernel = rng.normal(size=(old[0] * old[1] * 3, 6)).astype("float32")
    patches = rng.normal(size=(20, *old, 3)).astype("float32")
    resized = resize_kernel(kernel, old, new)
    told = read(interpolated(patches, new), resized)
    assert is_told(told, read(patches, kernel), atol=1e-4)

    cells = kernel.reshape(*old, 18)
    naive = interpolated(cells, new).reshape(-1, 6)
    naive *= np.prod(old) / np.prod(new)  # as many pixels more, as much less of each
    told = read(interpolated(patches, new), naive)
    assert not is_told(told, read(patches, kernel), atol=0.05)


def test_pillow_enlarges_patches_to_the_same_readings(rng):
    kernel = rng.normal(size=(25, 6)).astype("float32")
    patches = rng.normal(size=(10, 5, 5)).astype("float32")
    large = np.stack(
        [
            Image.fromarray(patch).resize((13, 11), Image.Resampling.BILINEAR)
            for patch in patches
        ]
    )
    told = read(large, resize_kernel(kernel, (5, 5), (11, 13)))
    assert is_told(told, read(patches, kernel), atol=1e-4)


@pytest.mark.parametrize(("old", "new"), [((4, 6), (6, 7)), ((16, 16), (6, 12))])
def test_it_is_the_pseudo_inverse_of_the_papers_matrix(old, new, rng):
    """B column by column, from what becomes of each pixel alone."""
    pixels = np.eye(np.prod(old), dtype=np.float32).reshape(-1, *old, 1)
    matrix = interpolated(pixels, new).reshape(-1, np.prod(new)).T
    kernel = rng.normal(size=(np.prod(old), 3)).astype("float32")
    expected = np.linalg.pinv(matrix.T.astype(np.float64)) @ kernel
    resized = resize_kernel(kernel, old, new)
    np.testing.assert_allclose(resized, expected, atol=2e-5)


def test_colours_do_not_mix_and_the_own_size_changes_nothing(rng):
    kernel = rng.normal(size=(4 * 4 * 3, 5)).astype("float32")
    whole = resize_kernel(kernel, (4, 4), (6, 8)).reshape(48, 3, 5)
    for colour in range(3):
        alone = resize_kernel(kernel[colour::3], (4, 4), (6, 8))
        np.testing.assert_allclose(whole[:, colour], alone, atol=1e-6)
    assert resize_kernel(kernel, (4, 4), (4, 4)) is kernel


@pytest.mark.parametrize("kind", ["token", "gap", "rope"])
def test_an_image_with_more_pixels_in_larger_patches_gives_the_same_tokens(kind, rng):
    arguments = {
        "token": {"num_registers": 1},
        "gap": {"pooling": "gap", "position_embedding": "learned_2d"},
        "rope": {"position_embedding": "rope_2d"},
    }[kind]
    model = randomize(tiny_vit(**arguments), rng)
    new = resize(model, (32, 48), patch_size=16)
    assert new.get_layer("patch_encoder").grid == (2, 3)
    # Each patch by itself, so that its pixels are interpolated as the kernel's.
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    patches = images.reshape(2, 2, 8, 3, 8, 3).transpose(0, 1, 3, 2, 4, 5)
    large = interpolated(patches.reshape(-1, 8, 8, 3), (16, 16))
    large = large.reshape(2, 2, 3, 16, 16, 3).transpose(0, 1, 3, 2, 4, 5)
    large = large.reshape(2, 32, 48, 3)
    np.testing.assert_allclose(new(large), model(images), atol=1e-4, rtol=1e-3)
    for old, weight in zip(model.weights, new.weights, strict=True):
        if not weight.path.endswith("projection/kernel"):
            np.testing.assert_array_equal(weight.numpy(), old.numpy())


def test_smaller_patches_are_more_tokens_whose_positions_follow(tmp_path, rng):
    model = randomize(tiny_vit(), rng)
    new = resize(model, patch_size=(4, 8))
    assert new.input_shape == model.input_shape
    encoder = new.get_layer("patch_encoder")
    assert encoder.grid == (4, 3)
    before = model.get_layer("patch_encoder").position_vectors()  # (2, 3, D)
    np.testing.assert_allclose(
        encoder.position_vectors()[[0, 3]], before[[0, 1]], atol=1e-6
    )
    new.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    np.testing.assert_array_equal(again(images), new(images))


@pytest.mark.parametrize("layout", ["npz", "timm"])
def test_weights_go_to_another_patch_size_when_asked_to(layout, tmp_path, rng):
    kinds = {"npz": "gelu_tanh", "timm": "gelu_erf"}
    arguments = TINY | {"activation": kinds[layout]}
    model = randomize(keras_vit.ViT(**arguments), rng)
    path = tmp_path / {"npz": "a.npz", "timm": "a.safetensors"}[layout]
    save_weights(model, path, layout)
    other = keras_vit.ViT(**(arguments | {"patch_size": 4}))
    with pytest.raises(ValueError, match=r"patch_size=8: .*patches='resize'"):
        load_weights(other, path)
    load_weights(other, path, patches="resize")
    images = rng.normal(size=(2, 32, 32, 3)).astype("float32")
    method = {"npz": "bilinear", "timm": "bicubic_antialias"}[layout]
    expected = resize(model, patch_size=4, method=method)(images)
    np.testing.assert_allclose(other(images), expected, atol=1e-5)
    load_weights(model, path, patches="resize")  # of the size that they are of


@pytest.mark.slow
def test_a_variant_takes_its_weights_to_the_patches_it_is_asked_for(tmp_path):
    model = keras_vit.ViT_Ti16(num_classes=3, image_size=32)
    save_weights(model, tmp_path / "a.npz")
    new = keras_vit.ViT_Ti16(3, image_size=32, weights=tmp_path / "a.npz", patch_size=8)
    expected = resize(model, patch_size=8).get_layer("patch_encoder")
    encoder = new.get_layer("patch_encoder")
    assert encoder.grid == (4, 4)
    for weight, one in zip(encoder.weights, expected.weights, strict=True):
        np.testing.assert_allclose(weight, one, atol=1e-6)
    sizes = {"num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 768}
    with pytest.raises(ValueError, match="patches='resize'"):
        keras_vit.ViT(
            3, image_size=32, weights=tmp_path / "a.npz", patch_size=8, **sizes
        )
    assert keras_vit.ViT_Ti16(image_size=32, patch_size=4).count_params() > 0


def test_what_cannot_be_resized_is_refused():
    stem = layers.ResNetStem((1,), 0.5, name="stem")
    hybrid = tiny_vit(stem=stem, patch_size=1)
    with pytest.raises(ValueError, match="must hold pixels.*the feature map of stem"):
        resize(hybrid, patch_size=2)
    with pytest.raises(ValueError, match="must hold pixels"):
        load_weights(hybrid, "a.npz", patches="resize")
    cnn = keras_vit.baselines.ResNet(
        blocks=(1, 1), width_factor=0.5, num_classes=5, image_size=32
    )
    with pytest.raises(ValueError, match="without a layer of patches"):
        resize(cnn, patch_size=8)
    with pytest.raises(ValueError, match="height >= 32"):
        resize(tiny_vit(), patch_size=32)
    with pytest.raises(ValueError, match="'keep' or 'resize'. Received: patches='x'"):
        load_weights(tiny_vit(), "a.npz", patches="x")
    assert resize(hybrid, (32, 48)).get_layer("patch_encoder").grid == (8, 12)
