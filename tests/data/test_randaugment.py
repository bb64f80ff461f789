import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_vit.data import randaugment
from keras_vit.data.randaugment import DRAWS_PER_LAYER, OPERATIONS, rand_augment

NAMES = list(OPERATIONS)
SHAPES = [(224, 224, 3), (37, 53, 3), (98, 61, 3)]
MAGNITUDES = [0, 3, 7, 10, 17, 23]
LAST = np.nextafter(np.float32(1), np.float32(0))  # the largest draw


def draws_for(name, sign=1, centre=(0.5, 0.5)):
    return np.float32([(NAMES.index(name) + 0.5) / 16, 0.5 + 0.3 * sign, *centre])


def apply(name, image, magnitude, **options):
    draws = tf.constant(draws_for(name, **options))
    return rand_augment(tf.constant(image), draws, 1, magnitude).numpy()


def dull(rng, shape):
    """Noise that uses a part of the levels, and another part in each channel."""
    image = rng.integers([20, 90, 40], [140, 250, 215], shape)
    image[0, 0] = 30, 100, 50
    return image.astype(np.uint8)


def solarize_add(image, magnitude):
    pixels = np.asarray(image).astype(int)
    lightened = np.minimum(pixels + int(magnitude / 10 * 110), 255)
    return np.where(pixels < 128, lightened, pixels)


def enhanced(kind):
    return lambda image, m: kind(image).enhance(m / 10 * 1.8 + 0.1)


LEVEL_ORACLES = {
    "AutoContrast": lambda image, m: ImageOps.autocontrast(image),
    "Equalize": lambda image, m: ImageOps.equalize(image),
    "Invert": lambda image, m: ImageOps.invert(image),
    "Posterize": lambda image, m: ImageOps.posterize(
        image, min(max(int(m / 10 * 4), 1), 8)
    ),
    "Solarize": lambda image, m: ImageOps.solarize(image, int(m / 10 * 256)),
    "SolarizeAdd": solarize_add,
    "Color": enhanced(ImageEnhance.Color),
    "Contrast": enhanced(ImageEnhance.Contrast),
    "Brightness": enhanced(ImageEnhance.Brightness),
    "Sharpness": enhanced(ImageEnhance.Sharpness),
}
# Pillow computes these in floating point and cuts off the fraction: where the exact
# value is an integer it may fall a level short (AutoContrast at 1 pixel of 100 here).
CUT_OFF = {"AutoContrast", "Color", "Contrast", "Brightness", "Sharpness"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LEVEL_ORACLES)
def test_levels_change_as_in_pillow(name, shape, rng):
    image = dull(rng, shape)
    for magnitude in MAGNITUDES:
        ours = apply(name, image, magnitude).astype(int)
        theirs = np.asarray(LEVEL_ORACLES[name](Image.fromarray(image), magnitude))
        assert np.abs(ours - theirs).max() <= (name in CUT_OFF)
        assert (ours == theirs).mean() > 0.98


@pytest.mark.parametrize("name", ["AutoContrast", "Equalize", "Contrast", "Sharpness"])
def test_an_image_of_one_colour_has_nothing_to_stretch(name):
    image = np.full((9, 12, 3), 77, np.uint8)
    np.testing.assert_array_equal(apply(name, image, 10), image)


def test_a_channel_of_one_level_does_not_keep_the_others_from_stretching(rng):
    image = dull(rng, (40, 40, 3))
    image[..., 1] = 9
    for name in ("AutoContrast", "Equalize"):
        changed = apply(name, image, 10)
        np.testing.assert_array_equal(changed[..., 1], 9)
        for channel in (0, 2):
            assert changed[..., channel].min() == 0
            assert changed[..., channel].max() == 255


def rotation(degrees, height, width):
    """Counter-clockwise about the centre, as (column, row) of the pixel shown."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x = (height - 1) / 2, (width - 1) / 2
    return (cos, -sin, x - cos * x + sin * y), (sin, cos, y - sin * x - cos * y)


def shift(magnitude, height, width):
    return 100 * magnitude / 10 * min(height, width) / 224


GEOMETRY = {
    "Rotate": lambda m, h, w: rotation(m / 10 * 30, h, w),
    "ShearX": lambda m, h, w: ((1, m / 10 * 0.3, 0), (0, 1, 0)),
    "ShearY": lambda m, h, w: ((1, 0, 0), (m / 10 * 0.3, 1, 0)),
    "TranslateX": lambda m, h, w: ((1, 0, shift(m, h, w)), (0, 1, 0)),
    "TranslateY": lambda m, h, w: ((1, 0, 0), (0, 1, shift(m, h, w))),
}


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GEOMETRY)
def test_pixels_move_as_in_pillow(name, shape, sign, rng):
    image, (height, width) = dull(rng, shape), shape[:2]
    for magnitude in MAGNITUDES:
        matrix = np.float64(GEOMETRY[name](sign * magnitude, height, width))
        # Pillow counts from the corner of the first pixel, not from its centre.
        corner = matrix + [0, 0, 0.5] - 0.5 * matrix[:, :2].sum(1)[:, None] * [0, 0, 1]
        theirs = Image.fromarray(image).transform(
            (width, height),
            Image.Transform.AFFINE,
            corner.ravel(),
            Image.Resampling.NEAREST,
            fillcolor=(128, 128, 128),
        )
        # Halfway between two pixels either is the nearest; Pillow, which works
        # in fixed point, and float32 differ there and only there.
        y, x = np.mgrid[:height, :width]
        places = np.tensordot(matrix, [x, y, np.ones_like(x)], 1)
        clear = (np.abs(places % 1 - 0.5) > 5e-3).all(0)
        assert clear.mean() > 0.85
        ours = apply(name, image, magnitude, sign=sign)
        np.testing.assert_array_equal(ours[clear], np.asarray(theirs)[clear])


def test_a_turn_is_pillows_turn(rng):
    image = dull(rng, (40, 60, 3))
    turned = Image.fromarray(image).rotate(21, fillcolor=(128, 128, 128))
    ours = apply("Rotate", image, 7)
    assert (ours == np.asarray(turned)).all(-1).mean() > 0.99
    assert (ours == 128).all(-1)[0, 0]


def test_shifts_scale_with_the_image(rng):
    for side, pixels in ((224, 100), (32, 14)):
        image = rng.integers(129, 256, (side, side, 3), dtype=np.uint8)
        for name, axis in (("TranslateX", 1), ("TranslateY", 0)):
            moved = np.moveaxis(apply(name, image, 10), axis, 0)
            whole = np.moveaxis(image, axis, 0)
            np.testing.assert_array_equal(moved[:-pixels], whole[pixels:])
            assert (moved[-pixels:] == 128).all()


@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.0, 0.3), (LAST, LAST), (0.2, 0.9)])
def test_a_cutout_is_a_grey_square_about_the_drawn_pixel(centre, rng):
    for height, width, magnitude in ((224, 300, 10), (32, 32, 10), (60, 45, 17)):
        image = rng.integers(129, 256, (height, width, 3), dtype=np.uint8)
        half = int(int(magnitude / 10 * 40) * min(height, width) / 224)
        expected = image.copy()
        y, x = int(centre[0] * float(height)), int(centre[1] * float(width))
        expected[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 128
        ours = apply("Cutout", image, magnitude, centre=centre)
        np.testing.assert_array_equal(ours, expected)


def test_every_operation_has_its_oracle():
    assert set(NAMES) == {*LEVEL_ORACLES, *GEOMETRY, "Cutout"}
    assert len(NAMES) == 16


def test_the_operations_are_drawn_evenly(monkeypatch):
    def painter(number):
        return lambda image, strength, draws: tf.fill((3, 3, 3), np.uint8(number))

    table = {name: painter(number) for number, name in enumerate(NAMES)}
    monkeypatch.setattr(randaugment, "OPERATIONS", table)

    @tf.function
    def drawn(first):
        draws = tf.stack([first, 0.0, 0.0, 0.0])
        return rand_augment(tf.zeros((3, 3, 3), tf.uint8), draws, 1, 10)[0, 0, 0]

    grid = np.arange(320, dtype=np.float32) / 320
    counts = np.bincount([drawn(first) for first in grid])
    np.testing.assert_array_equal(counts, [20] * 16)
    assert drawn(LAST) == 15


def test_the_sign_is_that_of_the_second_draw(rng):
    image = dull(rng, (30, 30, 3))
    for name in GEOMETRY:
        draws = draws_for(name)
        halves = [
            rand_augment(image, np.float32([draws[0], second, *draws[2:]]), 1, 7)
            for second in (0, 0.49, 0.5, LAST)
        ]
        np.testing.assert_array_equal(halves[0], halves[1])
        np.testing.assert_array_equal(halves[2], halves[3])
        assert (halves[0].numpy() != halves[3].numpy()).any()


def test_layers_apply_in_turn(rng):
    image = dull(rng, (30, 40, 3))
    for first, second in (("Solarize", "ShearX"), ("ShearX", "Solarize")):
        draws = np.concatenate([draws_for(first), draws_for(second, sign=-1)])
        both = rand_augment(image, draws, 2, 6)
        steps = apply(second, apply(first, image, 6), 6, sign=-1)
        np.testing.assert_array_equal(both, steps)
    np.testing.assert_array_equal(rand_augment(image, np.float32([]), 0, 6), image)


def test_only_the_draws_decide(rng):
    image = dull(rng, (24, 31, 3))
    draws = rng.random((20, 3 * DRAWS_PER_LAYER), np.float32)
    results = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        results.append([rand_augment(image, one, 3, 8).numpy() for one in draws])
    np.testing.assert_array_equal(*results)
    assert len({result.tobytes() for result in results[0]}) == len(draws)


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_dtype_are_kept_at_the_extremes(name, rng):
    for shape in ((3, 3, 3), (17, 5, 3)):
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        for magnitude in (0, 10, 40):
            for draw in (0, LAST):
                ours = apply(name, image, magnitude, centre=(draw, draw))
                assert ours.shape == shape
                assert ours.dtype == np.uint8


def test_a_pipeline_of_images_of_unknown_size_gives_what_single_calls_give(rng):
    count = 32
    sizes = rng.integers(8, 40, (count, 2))
    images = [dull(rng, (*size, 3)) for size in sizes]
    draws = rng.random((count, 2 * DRAWS_PER_LAYER), np.float32)
    draws[:, 0] = (np.arange(count) % 16 + 0.5) / 16  # every operation
    data = tf.data.Dataset.from_generator(
        lambda: zip(images, draws, strict=True),
        output_signature=(
            tf.TensorSpec((None, None, 3), tf.uint8),
            tf.TensorSpec((2 * DRAWS_PER_LAYER,), tf.float32),
        ),
    ).map(lambda image, one: rand_augment(image, one, 2, 9), num_parallel_calls=2)
    assert data.element_spec == tf.TensorSpec((None, None, 3), tf.uint8)
    for ours, image, one in zip(data, images, draws, strict=True):
        np.testing.assert_array_equal(ours, rand_augment(image, one, 2, 9))


def test_a_size_known_beforehand_stays_known():
    data = tf.data.Dataset.from_tensors(np.zeros((6, 9, 3), np.uint8))
    data = data.map(lambda image: rand_augment(image, tf.zeros(8), 2, 10))
    assert data.element_spec == tf.TensorSpec((6, 9, 3), tf.uint8)


def test_operations_are_traced_once_for_all_pipelines(monkeypatch, rng):
    traced = []

    def counted(image, strength, draws):
        traced.append((image.shape, strength))
        return image ^ 255

    monkeypatch.setattr(randaugment, "OPERATIONS", {"Counted": counted})
    image = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    for magnitude, layers in ((10, 3), (10, 1), (7, 3)):
        for _ in range(2):
            data = tf.data.Dataset.from_tensors(image)
            data = data.map(
                lambda x, n=layers, m=magnitude: rand_augment(x, tf.zeros(4 * n), n, m)
            )
            np.testing.assert_array_equal(next(iter(data)), image ^ 255)
    assert traced == [((6, 9, 3), 1.0), ((6, 9, 3), 0.7)]
