from itertools import permutations

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import inspect
from keras_vit.inspect.similarity import unbiased_hsic
from keras_vit.layers import ResNetStem
from support.models import randomize, tiny_vit


def aligned(x, y):
    """Linear CKA by covariances of features: arXiv:1905.00414, section 3."""
    x, y = (one - one.mean(0) for one in (x.astype(float), y.astype(float)))
    squared = [np.sum((a.T @ b) ** 2) for a, b in ((x, y), (x, x), (y, y))]
    return squared[0] / np.sqrt(squared[1] * squared[2])


def hsic_of_all_quadruples(k, m):
    """HSIC as the U-statistic it is: the mean over four different images.

    Of k(1, 2) m(1, 2) + k(1, 2) m(3, 4) - 2 k(1, 2) m(1, 3), the unbiased
    estimate of what HSIC is defined as (Gretton et al., 2005).
    """
    values = [
        k[a, b] * (m[a, b] + m[c, d] - 2 * m[a, c])
        for a, b, c, d in permutations(range(len(k)), 4)
    ]
    return np.mean(values)


def of_blocks(model, images):
    """The outputs of a model's blocks, `(L, n, T D)`."""
    outputs = [one.output for one in model.layers if one.name.startswith("block")]
    made = keras.Model(model.input, outputs).predict_on_batch(images)
    return [np.reshape(one, (len(images), -1)).astype("float64") for one in made]


def test_features_are_like_themselves_turned_and_scaled(rng):
    x = rng.normal(size=(20, 6)) + 5
    turned, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    y = rng.normal(size=(20, 4))
    assert inspect.cka(x, x) == pytest.approx(1)
    assert inspect.cka(x, -3 * x @ turned + 7) == pytest.approx(1)
    assert inspect.cka(x @ turned, 2 * y) == pytest.approx(inspect.cka(x, y))
    stretched = x * [1, 2, 3, 4, 5, 6]  # which is neither
    assert inspect.cka(x, stretched) < 0.99


def test_alignment_is_that_of_the_definition(rng):
    x, y = rng.normal(size=(15, 2, 4)), rng.normal(size=(15, 5))
    x[:, 0, 1] += y[:, 2]
    expected = aligned(x.reshape(15, 8), y)
    assert inspect.cka(x, y) == pytest.approx(expected, abs=1e-12)
    assert inspect.cka(x, np.ones((15, 3))) == 0
    with pytest.raises(ValueError, match="of 15 images and of 14"):
        inspect.cka(x, y[1:])


def test_the_estimate_is_the_mean_over_all_quadruples_of_images(rng):
    x, y = rng.normal(size=(7, 3)) + 1, rng.normal(size=(7, 2))
    k, m = x @ x.T, y @ y.T
    expected = hsic_of_all_quadruples(k, m)
    assert unbiased_hsic(k, m) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="at least 4 images"):
        unbiased_hsic(k[:3, :3], m[:3, :3])


def test_the_estimate_of_independent_noise_is_near_0_where_the_biased_is_not(rng):
    x, y = rng.normal(size=(2, 200, 32, 500))  # batches of few images, many features
    k, m = x @ x.swapaxes(1, 2), y @ y.swapaxes(1, 2)
    between, within_x, within_y = (
        unbiased_hsic(*pair).mean() for pair in ((k, m), (k, k), (m, m))
    )
    assert abs(between / np.sqrt(within_x * within_y)) < 0.01
    assert inspect.cka(x[0], y[0]) > 0.9


@pytest.mark.slow
def test_layers_of_two_models_are_compared_batch_by_batch(rng):
    a = randomize(tiny_vit(), rng)
    b = randomize(tiny_vit(num_layers=3, hidden_dim=8, pooling="gap"), rng)
    images = rng.uniform(0, 255, (30, 16, 24, 3)).astype("float32")
    sums = np.zeros((3, 2, 3))
    for batch in np.array_split(images, 4):
        x, y = of_blocks(a, batch), of_blocks(b, batch)
        grams = [[one @ one.T for one in layers] for layers in (x, y)]
        for i, j in np.ndindex(2, 3):
            k, m = grams[0][i], grams[1][j]
            for place, pair in enumerate(((k, m), (k, k), (m, m))):
                sums[place, i, j] += len(batch) * unbiased_hsic(*pair)
    expected = sums[0] / np.sqrt(sums[1] * sums[2])
    received = inspect.cka_layers(a, b, images, batch_size=8)
    assert received.shape == (2, 3)
    np.testing.assert_allclose(received, expected, atol=1e-4)
    batches = [*np.array_split(images, 4), images[:3]]  # the last has no estimate
    streamed = inspect.cka_layers(a, b, iter(batches))
    np.testing.assert_allclose(streamed, received, atol=1e-6)


def test_a_model_is_like_itself_turned_but_not_like_another(rng):
    images = rng.uniform(0, 255, (64, 16, 24, 3)).astype("float32")
    model, other = (randomize(tiny_vit(), rng) for _ in range(2))
    itself = inspect.cka_layers(model, model, images)
    np.testing.assert_allclose(np.diagonal(itself), 1, atol=1e-5)
    np.testing.assert_allclose(itself, itself.T, atol=1e-6)
    assert inspect.cka_layers(model, other, images).max() < 0.95


@pytest.mark.slow
def test_hybrids_registers_files_and_bfloat16_are_compared_too(rng, tmp_path):
    stem = ResNetStem((1,), 0.5, name="stem")
    hybrid = randomize(tiny_vit(stem=stem, patch_size=2, num_registers=2), rng)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rounded = tiny_vit(stem=ResNetStem((1,), 0.5), patch_size=2, num_registers=2)
    finally:
        keras.config.set_dtype_policy("float32")
    rounded.set_weights(hybrid.get_weights())
    hybrid.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = rng.uniform(0, 255, (12, 16, 24, 3)).astype("float32")
    expected = inspect.cka_layers(hybrid, hybrid, images)
    received = inspect.cka_layers(hybrid, loaded, images)
    np.testing.assert_allclose(received, expected, atol=1e-5)
    assert inspect.cka_layers(hybrid, rounded, images)[0, 0] > 0.95


def test_models_and_images_that_cannot_be_compared_are_refused():
    model, images = tiny_vit(), np.zeros((3, 16, 24, 3))
    with pytest.raises(ValueError, match=r"\(16, 24\) and \(24, 24\)"):
        inspect.cka_layers(model, tiny_vit(image_size=24), images)
    with pytest.raises(ValueError, match="which has no such layer"):
        inspect.cka_layers(model, keras_vit.ResNet_R26(3, image_size=32), images)
    with pytest.raises(ValueError, match="a batch of at least 4 images"):
        inspect.cka_layers(model, model, images)
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1"):
        inspect.cka_layers(model, model, images, batch_size=0)
