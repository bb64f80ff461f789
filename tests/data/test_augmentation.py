import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data.augmentation import (
    DRAWS,
    ERASE,
    MIRROR,
    Augmentation,
    augmented,
    erased,
    inception_window,
    moved,
)

LAST = np.nextafter(np.float32(1), np.float32(0))


def numbers(**drawn):
    """An image's numbers: nothing mirrored or erased but as told."""
    values = np.full(DRAWS, 0.5, np.float32)
    values[ERASE] = LAST
    for name, value in drawn.items():
        values[int(name[1:])] = value
    return values


def test_an_image_is_mirrored_where_its_number_says_so(rng):
    images = rng.integers(0, 256, (3, 4, 6, 3), dtype=np.uint8)
    draws = np.stack([numbers(_2=0.49), numbers(_2=0.5), numbers(_2=0)])
    assert MIRROR == 2
    told = moved(tf.constant(images), draws, Augmentation(flip=True))
    expected = [images[0, :, ::-1], images[1], images[2, :, ::-1]]
    np.testing.assert_array_equal(told, expected)


def test_an_image_is_moved_by_up_to_the_padding(rng):
    image = rng.integers(1, 256, (5, 6, 3), dtype=np.uint8)
    padded = np.pad(image, [(2, 2), (2, 2), (0, 0)])
    cases = {
        (0.0, 0.0): (0, 0),
        (0.0, LAST): (0, 4),
        (0.21, 0.5): (1, 2),
        (LAST, 0.81): (4, 4),
    }
    draws = np.stack([numbers(_0=down, _1=across) for down, across in cases])
    images = tf.stack([image] * len(cases))
    told = moved(images, draws, Augmentation(crop="pad", crop_padding=2))
    for one, (top, left) in zip(told, cases.values(), strict=True):
        np.testing.assert_array_equal(one, padded[top : top + 5, left : left + 6])


@pytest.mark.parametrize("crop", ["none", "pad"])
def test_an_image_alone_is_changed_as_among_others(rng, crop):
    images = rng.integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)
    draws = rng.random((20, DRAWS), dtype=np.float32)
    augmentation = Augmentation(crop=crop, crop_padding=2 * (crop == "pad"), flip=True)
    together = moved(tf.constant(images), draws, augmentation)
    for index in range(20):
        read = lambda window, at=index: tf.constant(images)[at]  # noqa: E731
        alone = augmented(read, draws[index], augmentation, (5, 6))
        np.testing.assert_array_equal(alone, together[index])


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


def test_erasing_fills_one_rectangle_with_noise(rng):
    areas, ratios, noise = [], [], []
    erase = tf.function(erased)
    for draws in rng.random((300, 4), dtype=np.float32):
        image = np.full((40, 60, 3), 7, np.float32)
        told = erase(tf.constant(image), tf.constant(draws)).numpy()
        rows, columns, _ = np.nonzero(told != 7)
        top, left = rows.min(), columns.min()
        height, width = rows.max() - top + 1, columns.max() - left + 1
        inside = told[top : top + height, left : left + width]
        # 1 of 256 levels of noise is that of the image.
        assert (inside != 7).mean() > 0.97
        assert (told != 7).sum() == (inside != 7).sum()
        areas.append(height * width / 2400)
        ratios.append(height / width)
        noise.append(inside.ravel())
    assert 0.015 < min(areas) < 0.04
    assert 0.3 < max(areas) < 0.35
    assert 0.25 < min(ratios) < 0.4  # the longest are cut to the image's height
    assert 1.5 < max(ratios) < 3.7
    noise = np.concatenate(noise)
    assert noise.min() == 0
    assert noise.max() == 255
    assert abs(noise.mean() - 127.5) < 2


def test_an_image_is_erased_as_often_as_asked_for(rng):
    often = Augmentation(erasing=0.25)

    @tf.function
    def changed(draws):
        read = lambda window: tf.fill((8, 8, 3), 100.0)  # noqa: E731
        one = lambda numbers: augmented(read, numbers, often, (8, 8))  # noqa: E731
        return tf.map_fn(one, draws)

    images = changed(rng.random((400, DRAWS), dtype=np.float32)).numpy()
    share = (images != 100).any((1, 2, 3)).mean()
    assert abs(share - 0.25) < 4 * (0.25 * 0.75 / 400) ** 0.5
