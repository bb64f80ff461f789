"""Preprocessing without TensorFlow, beside preprocessing by it."""

import itertools

import numpy as np
import pytest

from keras_vit.data.array_preprocessing import preprocess_array
from keras_vit.data.preprocessing import preprocess
from keras_vit.preprocessing import CHOICES, PRESETS, Preprocessing, resolve

# Landscapes, portraits, squares, slender and tiny ones, and the model's own size.
SIDES = [(61, 80), (80, 61), (50, 50), (97, 41), (30, 44), (64, 67), (9, 400), (300, 7)]
SIDES += [(1, 1), (2, 3), (32, 32), (32, 48), (160, 33)]
SIZES = [(32, 32), (33, 33), (32, 48), (48, 30)]
PARTS = ["vit_jax:0.875", "big_vision:1", "timm:0.95", "timm:1", "dinov2:32/37"]


def photograph(rng, sides):
    """Broad gradients with fine grain on them, as photographs have."""
    rows, columns = (np.linspace(0, 3, side) for side in sides)
    broad = 128 + 90 * np.sin(rows[:, None, None] + columns[None, :, None] + [0, 1, 2])
    grain = rng.normal(scale=12, size=(*sides, 3))
    return np.clip(broad + grain, 0, 255).astype(np.uint8)


def compare(image, size, way):
    """How many pixels differ, of images of which none does by more than it may."""
    expected = np.asarray(preprocess(image, size, way))
    received = preprocess_array(image, size, way)
    assert received.shape == expected.shape and received.dtype == expected.dtype
    difference = np.abs(received.astype(np.float64) - expected)
    most = 1 if expected.dtype == np.uint8 else 2e-3
    assert difference.max() <= most, (image.shape, size, way)
    return (difference > 2e-3).mean()


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", [*PRESETS, *PARTS])
def test_every_preset_gives_tensorflows_pixels_to_one_level(rng, name):
    """The levels that differ are ties, which fall by rounding errors."""
    way = resolve(name)
    differ = [
        compare(photograph(rng, sides), size, way)
        for sides, size in itertools.product(SIDES, SIZES)
    ]
    assert np.mean(differ) < 0.02


@pytest.mark.parametrize("aspect", CHOICES["aspect"])
@pytest.mark.parametrize("method", CHOICES["method"])
@pytest.mark.parametrize("antialias", [False, True])
def test_every_filter_gives_tensorflows_pixels(rng, aspect, method, antialias):
    differ = []
    for levels, arithmetic in itertools.product(
        CHOICES["levels"], CHOICES["arithmetic"]
    ):
        way = Preprocessing(
            aspect, method, antialias, 0.9, levels, arithmetic=arithmetic
        )
        differ += [
            compare(photograph(rng, sides), (32, 48), way)
            for sides in ((61, 80), (97, 41), (20, 17))
        ]
    assert np.mean(differ) < 0.02


@pytest.mark.parametrize("name", ["vit_jax", "big_vision", "timm"])
def test_floats_are_resized_too(rng, name):
    image = photograph(rng, (61, 80)).astype(np.float32) + np.float32(0.25)
    compare(image, (32, 32), resolve(name))
