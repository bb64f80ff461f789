import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data.augmentation import (
    flipped,
    inception_window,
    mixed,
    mixup_ratio,
    padded_crop,
)


def test_a_flip_mirrors_where_the_draw_says_so(rng):
    image = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(flipped(image, 0.49), image[:, ::-1])
    np.testing.assert_array_equal(flipped(image, 0.5), image)


def test_a_crop_is_the_image_moved_by_up_to_the_padding(rng):
    image = rng.integers(1, 256, (5, 6, 3), dtype=np.uint8)
    padded = np.pad(image, [(2, 2), (2, 2), (0, 0)])
    last = np.nextafter(np.float32(1), np.float32(0))
    for draws, (top, left) in {
        (0.0, 0.0): (0, 0),
        (0.0, last): (0, 4),
        (0.21, 0.5): (1, 2),
        (last, 0.81): (4, 4),
    }.items():
        crop = padded_crop(tf.constant(image), np.float32(draws), 2)
        expected = padded[top : top + 5, left : left + 6]
        np.testing.assert_array_equal(crop, expected)


def test_an_inception_window_has_the_area_and_the_sides_asked_for():
    areas = []
    for seed in range(200):
        window = inception_window((seed, 7), (0.2, 0.9))
        top, left, height, width = (int(one) for one in window(300, 400))
        assert 0 <= top <= 300 - height
        assert 0 <= left <= 400 - width
        areas.append(height * width / (300 * 400))
        assert 0.74 < width / height < 1.35
    assert 0.19 < min(areas) < 0.3
    assert 0.8 < max(areas) < 0.91


def test_mixing_is_that_of_the_reference(fixtures):
    tables = np.load(fixtures / "mixup.npz")
    for name in ("images", "labels"):
        values = tables[name]
        told = mixed(values, np.roll(values, 1, axis=0), tables["a"])
        np.testing.assert_allclose(told, tables[f"mixed_{name}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("p", [0.01, 0.2, 1.0])
def test_the_ratio_of_a_mixture_is_that_of_a_beta_variate(p):
    """Its mean against NumPy's; a small p must not vanish into 0 / 0."""
    ratios = np.array([mixup_ratio((seed, 3), p) for seed in range(400)])
    assert np.isfinite(ratios).all()
    assert ((ratios >= 0.5) & (ratios <= 1)).all()
    sample = np.random.default_rng(0).beta(p, p, 200_000)
    sample = np.maximum(sample, 1 - sample)
    assert abs(ratios.mean() - sample.mean()) < 4 * sample.std() / 20 + 1e-3
