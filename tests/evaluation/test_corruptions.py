import colorsys
import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from keras_vit.evaluation.corruptions import (
    COMMON,
    CORRUPTIONS,
    SEVERITIES,
    blur,
    corrupt,
    digital,
    filtering,
    table_for,
    weather,
)

SIDES = {"cifar": 32, "imagenet": 88}
# Whose published parameters do not go one way: more rounds for less reach; tilts,
# then waves; colours taken away, then added; longer lines as heavy; fewer flakes.
UNORDERED = {
    *(("glass_blur", "cifar"), ("glass_blur", "imagenet")),
    *(("elastic_transform", "cifar"), ("elastic_transform", "imagenet")),
    *(("saturate", "cifar"), ("saturate", "imagenet")),
    *(("motion_blur", "cifar"), ("zoom_blur", "imagenet"), ("snow", "imagenet")),
}


def natural(count, height, width, seed=0):
    """Images whose amplitude falls as 1 / frequency, as photographs' does."""
    rng = np.random.default_rng(seed)
    down, right = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    amplitude = 1 / np.maximum(np.hypot(down, right), 1 / max(height, width))
    mix = np.array([[0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.1, 0.3, 0.6]])
    noise = rng.normal(size=(count, height, width, 3)) @ mix
    spectrum = np.fft.fft2(noise, axes=(1, 2)) * amplitude[..., None]
    images = np.fft.ifft2(spectrum, axes=(1, 2)).real
    images = 110 + 45 * (images - images.mean()) / images.std()
    return np.clip(images, 0, 255).astype(np.uint8)


def distance(images, others):
    return ((images.astype(float) - others) ** 2).mean()


@pytest.mark.parametrize("table", SIDES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_images_get_worse_with_the_severity(name, table):
    images = natural(16, SIDES[table], SIDES[table])
    distances = []
    for severity in SEVERITIES:
        corrupted = corrupt(images, name, severity, table=table)
        assert corrupted.dtype == np.uint8
        assert corrupted.shape == images.shape
        distances.append(distance(images, corrupted))
    assert min(distances) > 1
    if (name, table) not in UNORDERED:
        assert distances == sorted(distances)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_an_image_gets_follows_from_its_place_and_no_batch(name):
    images = np.repeat(natural(1, 20, 28), 5, axis=0)
    together = corrupt(images, name, 3)
    alone = [corrupt(images[:1], name, 3, indices=[place])[0] for place in range(5)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, corrupt(images, name, 3))
    drawn = not np.array_equal(together[0], together[1])
    assert drawn == (not np.array_equal(together, corrupt(images, name, 3, seed=1)))
    fixed = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate"}
    fixed |= {"jpeg_compression", "gaussian_blur", "saturate"}
    assert drawn == (name not in fixed)


def test_noise_has_the_variance_of_its_formula():
    grey = np.full((1, 300, 300, 3), 102, np.uint8)  # 0.4

    def seen(name, severity):
        noisy = corrupt(grey, name, severity, table="imagenet") / 255
        return noisy.mean(), noisy.var()

    rounding = 1 / 12 / 255**2
    for name, expected in (
        ("gaussian_noise", 0.08**2),
        ("shot_noise", 0.4 / 60),
        ("speckle_noise", (0.4 * 0.15) ** 2),
    ):
        mean, variance = seen(name, 1)
        assert mean == pytest.approx(0.4, abs=2e-3)
        assert variance == pytest.approx(expected + rounding, rel=0.02)


def test_impulses_are_black_and_white_in_equal_shares():
    grey = np.full((1, 300, 300, 3), 102, np.uint8)
    for severity, share in enumerate((0.03, 0.06, 0.09, 0.17, 0.27), 1):
        noisy = corrupt(grey, "impulse_noise", severity, table="imagenet")
        for value, expected in ((0, share / 2), (255, share / 2), (102, 1 - share)):
            assert (noisy == value).mean() == pytest.approx(expected, abs=2e-3)


def test_a_gaussian_blur_is_the_sum_with_a_gaussians_weights():
    image = natural(1, 30, 41)
    reach = np.arange(-8, 9)  # four deviations of 2
    weights = np.exp(-(reach**2) / 8)
    weights /= weights.sum()
    padded = np.pad(image[0] / 255, [(8, 8), (8, 8), (0, 0)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (17, 17), axis=(0, 1))
    expected = 255 * np.einsum("hwcij,i,j->hwc", windows, weights, weights)
    blurred = corrupt(image, "gaussian_blur", 2, table="imagenet")[0]
    assert np.abs(blurred - expected).max() < 0.51


def test_out_of_focus_a_point_becomes_a_disk():
    point = np.zeros((31, 31, 3), np.float32)
    point[15, 15] = 1
    spread = blur.defocus(point, None, 6, 0.1)
    lattice = sum(i * i + j * j <= 36 for i in range(-6, 7) for j in range(-6, 7))
    np.testing.assert_allclose(spread[15, 15], 1 / lattice, rtol=1e-3)
    assert (spread[..., 0] > 0.5 / lattice).sum() == lattice
    soft = blur.disk(10, 0.5)
    sharp = blur.disk(10, 0.01)
    expected = scipy.ndimage.gaussian_filter(sharp, 0.5, radius=2, mode="constant")
    np.testing.assert_allclose(soft, expected, atol=1e-6)
    image = natural(1, 24, 24)[0].astype(np.float32)
    kernel = blur.disk(3, 0.5)
    expected = scipy.ndimage.correlate(image, kernel[..., None], mode="mirror")
    np.testing.assert_allclose(blur.defocus(image, None, 3, 0.5), expected, atol=1e-2)


def test_motion_drags_an_image_along_a_line():
    image = np.random.default_rng(0).random((9, 12)).astype(np.float32)
    weights = np.exp(-(np.arange(5) ** 2) / 2 / 1.5**2)
    weights /= weights.sum()
    for angle, down, right in ((0, 0, 1), (45, 1, 1), (-90, -1, 0)):
        expected = np.zeros_like(image)
        for row, column in np.ndindex(image.shape):
            for copy, weight in enumerate(weights):
                # Along the diagonal, 1 and 2 steps of length 1 are 1 pixel.
                steps = round(copy * math.cos(math.pi / 4)) if down * right else copy
                r = np.clip(row + down * steps, 0, 8)
                c = np.clip(column + right * steps, 0, 11)
                expected[row, column] += weight * image[r, c]
        dragged = blur.dragged(image, 2, 1.5, angle)
        np.testing.assert_allclose(dragged, expected, rtol=1e-5)


@pytest.mark.parametrize("factor", [1, 1.01, 1.11, 1.5, 2, 3, 4.5])
def test_a_zoom_equals_scipys_of_the_middle(factor):
    image = np.random.default_rng(0).random((28, 33, 2))
    middle = [math.ceil(side / factor) for side in image.shape[:2]]
    (top, left), (rows, columns) = (
        [
            (side - part) // 2
            for side, part in zip(image.shape[:2], middle, strict=True)
        ],
        middle,
    )
    cut = image[top : top + rows, left : left + columns]
    large = scipy.ndimage.zoom(cut, (factor, factor, 1), order=1)
    top, left = (large.shape[0] - 28) // 2, (large.shape[1] - 33) // 2
    expected = large[top : top + 28, left : left + 33]
    np.testing.assert_allclose(filtering.zoomed(image, factor), expected, atol=1e-12)


def test_frosted_glass_hands_on_the_pixels_of_neighbours():
    image = natural(1, 11, 13)[0].astype(np.float32) / 255
    expected = image.copy()
    draws = np.random.default_rng(4)
    for _ in range(2):
        away = draws.integers(-2, 2, (7, 9, 2))
        for row in range(9, 2, -1):
            for column in range(11, 2, -1):
                down, right = away[9 - row, 11 - column]
                expected[row, column] = expected[row + down, column + right]
    seen = blur.glass(image, np.random.default_rng(4), 0.01, 2, 2)
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_a_cloud_is_made_of_diamonds_and_squares():
    cloud = weather.plasma(7, 1.4, np.random.default_rng(3))
    draws, side, amplitude = np.random.default_rng(3), 8, 1.0
    expected, step = np.zeros((8, 8)), 8
    while step > 1:
        half = step // 2
        for first_row, first_column in ((half, half), (0, half), (half, 0)):
            noise = draws.uniform(-amplitude, amplitude, (side // step, side // step))
            near = ((-half, 0), (half, 0), (0, -half), (0, half))
            if first_row and first_column:
                near = ((-half, -half), (-half, half), (half, -half), (half, half))
            for i, j in np.ndindex(noise.shape):
                row, column = first_row + i * step, first_column + j * step
                four = [
                    expected[(row + a) % side, (column + b) % side] for a, b in near
                ]
                expected[row, column] = sum(four) / 4 + noise[i, j]
        step, amplitude = half, amplitude / 1.4**2
    expected -= expected.min()
    np.testing.assert_allclose(cloud, expected / expected.max(), atol=1e-6)


def test_fog_keeps_white_white_and_thickens_black():
    rng = np.random.default_rng(0)
    image = np.zeros((16, 16, 3), np.float32)
    image[:8] = 1
    foggy = weather.fog(image, rng, 1.5, 2)
    cloud = weather.plasma(16, 2, np.random.default_rng(0))[..., None]
    np.testing.assert_allclose(foggy[:8], (1 + 1.5 * cloud[:8]) / 2.5 + np.zeros(3))
    np.testing.assert_allclose(foggy[8:], 1.5 * cloud[8:] / 2.5 + np.zeros(3))


def test_snow_whitens_and_adds_flakes_from_both_sides():
    image = np.full((12, 10, 3), 0.2, np.float32)
    even = weather.snow(image, np.random.default_rng(0), (0.3, 0, 2, 0.25), (4, 2), 0.9)
    np.testing.assert_allclose(even, 0.9 * 0.2 + 0.1 * 0.8 + 2 * 0.3, rtol=1e-5)
    none = weather.snow(image, np.random.default_rng(0), (0.3, 0, 2, 0.35), (4, 2), 0.9)
    np.testing.assert_allclose(none, 0.9 * 0.2 + 0.1 * 0.8, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "parameters", "in_hsv"),
    [
        (digital.brightness, (0.3,), lambda h, s, v: (h, s, min(v + 0.3, 1))),
        (digital.saturate, (0.3, 0), lambda h, s, v: (h, 0.3 * s, v)),
        (digital.saturate, (5, 0.1), lambda h, s, v: (h, min(5 * s + 0.1, 1), v)),
    ],
)
def test_brightness_and_saturation_are_those_of_hsv(change, parameters, in_hsv):
    image = np.random.default_rng(0).random((5, 6, 3))
    image[0] = image[0, :, :1]  # grey
    image[1, 0] = 0
    expected = [
        [colorsys.hsv_to_rgb(*in_hsv(*colorsys.rgb_to_hsv(*pixel))) for pixel in row]
        for row in image
    ]
    np.testing.assert_allclose(change(image, None, *parameters), expected, atol=1e-6)


def test_contrast_draws_pixels_to_the_mean_of_their_channel():
    image = natural(1, 30, 41)
    mean = image[0].mean((0, 1))
    corrupted = corrupt(image, "contrast", 3, table="imagenet")[0]
    assert np.abs(corrupted - (mean + 0.2 * (image[0] - mean))).max() < 0.51


def test_a_tilt_moves_three_points_to_where_they_were_drawn():
    rows, columns = np.indices((60, 80)) / 100
    ramp = np.stack([rows, columns, rows], -1)  # each pixel says where it was
    seen = digital.elastic(ramp, np.random.default_rng(0), 0, 0, 4)
    here = np.array([[50, 60], [50, 20], [10, 20]])
    there = here + np.random.default_rng(0).uniform(-4, 4, (3, 2))
    assert np.abs(there - here).max() > 1
    at_there = filtering.sampled(seen, there[:, 0], there[:, 1], "mirror")
    np.testing.assert_allclose(100 * at_there[:, :2], here, atol=1e-6)


def test_waves_move_pixels_by_a_blurred_field():
    rows, columns = np.indices((60, 80)) / 100
    ramp = np.stack([rows, columns, rows], -1)
    seen = digital.elastic(ramp, np.random.default_rng(0), 5, 3, 0)
    draws = np.random.default_rng(0)
    draws.uniform(size=(3, 2))  # the tilt, of 0
    for channel in (0, 1):
        field = draws.uniform(-1, 1, (60, 80))
        moved = 100 * (seen - ramp)[..., channel]
        expected = 5 * scipy.ndimage.gaussian_filter(field, 3, truncate=3)
        np.testing.assert_allclose(moved[5:-5, 5:-5], expected[5:-5, 5:-5], atol=1e-6)


def test_coarse_pixels_are_means_of_blocks():
    image = natural(1, 24, 32)
    blocks = image[0].reshape(12, 2, 16, 2, 3).astype(float).mean((1, 3))
    expected = blocks.repeat(2, 0).repeat(2, 1)
    corrupted = corrupt(image, "pixelate", 2, table="imagenet")[0]
    assert np.abs(corrupted - expected).max() <= 1


def test_a_jpeg_file_of_pillow_is_that_of_tensorflow():
    image = natural(1, 64, 48)
    ours = corrupt(image, "jpeg_compression", 3, table="imagenet")
    file = tf.io.encode_jpeg(image[0], quality=15, chroma_downsampling=True)
    theirs = tf.io.decode_jpeg(file, dct_method="INTEGER_ACCURATE").numpy()
    assert np.abs(ours[0].astype(int) - theirs).mean() < 0.5
    assert distance(image[0], theirs) > 20


def test_the_table_is_that_of_the_nearer_size():
    names = {size: table_for(size, 2 * size) for size in (28, 64, 84, 85, 96, 224, 518)}
    assert [*names.values()] == ["cifar"] * 3 + ["imagenet"] * 4
    small, large = natural(1, 84, 84), natural(1, 85, 85)
    for images, table in ((small, "cifar"), (large, "imagenet")):
        np.testing.assert_array_equal(
            corrupt(images, "contrast", 5), corrupt(images, "contrast", 5, table=table)
        )


def test_the_benchmark_has_fourteen_corruptions_without_frost():
    groups = {name: CORRUPTIONS[name].group for name in COMMON}
    assert len(COMMON) == 14
    assert {*CORRUPTIONS} - {*COMMON} == {"speckle_noise", "gaussian_blur", "saturate"}
    assert {*groups.values()} == {"noise", "blur", "weather", "digital"}
    for corruption in CORRUPTIONS.values():
        assert len(corruption.imagenet) == len(corruption.cifar) == 5


def test_what_cannot_be_corrupted_is_refused():
    images = natural(1, 8, 8)
    with pytest.raises(ValueError, match="gaussian_noise.*Received: 'frost'"):
        corrupt(images, "frost", 1)
    with pytest.raises(ValueError, match="from 1 to 5.* Received: 6"):
        corrupt(images, "fog", 6)
    with pytest.raises(ValueError, match="imagenet, cifar. Received: table='mnist'"):
        corrupt(images, "fog", 1, table="mnist")
    with pytest.raises(ValueError, match="uint8.*Received: float32"):
        corrupt(images.astype(np.float32), "fog", 1)
    assert corrupt(images[:0], "fog", 1).shape == (0, 8, 8, 3)
