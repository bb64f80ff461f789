from dataclasses import replace

import numpy as np
import PIL
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit.data.preprocessing import preprocess, resize, window_of
from keras_vit.preprocessing import PRESETS, Preprocessing, resolve

PILLOW = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def bilinear(image, size):
    """Half-pixel centres, no antialiasing, in NumPy."""

    def weights(new, old):
        centres = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(centres.astype(int), max(old - 2, 0))
        matrix = np.zeros((new, old))
        matrix[np.arange(new), low] = 1 - (centres - low)
        matrix[np.arange(new), np.minimum(low + 1, old - 1)] += centres - low
        return matrix

    rows = weights(size[0], image.shape[0])
    columns = weights(size[1], image.shape[1])
    return np.einsum("rh,hwc,sw->rsc", rows, image, columns)


def averaging(image, size):
    """A triangle of two pixels of the result over what it covers, in NumPy."""

    def weights(new, old):
        scale = max(old / new, 1)
        centres = (np.arange(new) + 0.5) * old / new
        distances = np.abs(np.arange(old) + 0.5 - centres[:, None]) / scale
        matrix = np.maximum(1 - distances, 0)
        return matrix / matrix.sum(1, keepdims=True)

    rows = weights(size[0], image.shape[0])
    columns = weights(size[1], image.shape[1])
    return np.einsum("rh,hwc,sw->rsc", rows, image, columns)


OWN_ORDER = int(PIL.__version__.split(".")[0]) >= 13  # that of rows and columns


@pytest.mark.parametrize(
    ("shape", "averages"),
    [
        ((8, 12), False),
        ((6, 5), False),
        ((9, 12), True),
        ((8, 40), True),
        ((37, 91), True),
        ((3, 40), True),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_is_more_than_twice_as_long_is_averaged_where_that_is_chosen(
    shape, averages, known
):
    rng = np.random.default_rng(sum(shape))
    image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    told = [tf.TensorSpec(image.shape if known else (None, None, 3), tf.uint8)]
    chosen, usual = (
        tf.function(
            lambda image, one=one: resize(image, (4, 6), antialias=one),
            input_signature=told,
        )(image).numpy()
        for one in (True, False)
    )
    expected = averaging(image, (4, 6)) if averages else bilinear(image, (4, 6))
    np.testing.assert_allclose(chosen, expected, atol=0.01)
    np.testing.assert_allclose(usual, bilinear(image, (4, 6)), atol=0.01)


def pillow(image, size, method):
    """Pillow's own resize, in one call; before version 13, only its own order."""
    image, whole = Image.fromarray(image), size[::-1]
    if not OWN_ORDER and image.height - size[0] > max(0, 2 * (image.width - size[1])):
        image = image.resize((image.width, size[0]), PILLOW[method])
    return np.asarray(image.resize(whole, PILLOW[method]))


def photograph(rng, height, width):
    """Broad gradients with fine grain on them, as photographs have."""
    coarse = rng.integers(40, 216, (5, 5, 3), dtype=np.uint8)
    broad = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    image = np.asarray(broad) + rng.normal(scale=12, size=(height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def normalised(image):
    return (np.asarray(image, np.float32) - 127.5) / 127.5


@pytest.fixture(scope="module")
def reference(fixtures):
    """What vit_jax's and big_vision's own code made of two images."""
    with np.load(fixtures / "preprocess.npz") as arrays:
        return dict(arrays)


shapes = pytest.mark.parametrize("shape", ["landscape", "portrait"])


@shapes
@pytest.mark.parametrize("side", [32, 64])
def test_vit_jax_is_the_references_evaluation(reference, shape, side):
    image = preprocess(reference[f"image_{shape}"], (side, side), PRESETS["vit_jax"])
    expected = reference[f"vit_jax_eval{side}_{shape}"]
    np.testing.assert_allclose(normalised(image), expected, atol=1e-6, rtol=0)


@shapes
def test_a_window_is_resized_as_in_the_references_training(reference, shape):
    top, left, height, width = reference[f"vit_jax_train_box_{shape}"]
    window = reference[f"image_{shape}"][top : top + height, left : left + width]
    expected = reference[f"vit_jax_train_resized32_{shape}"]
    image = normalised(resize(window, (32, 32)))
    np.testing.assert_allclose(image, expected, atol=1e-6, rtol=0)


@shapes
@pytest.mark.parametrize("side", [24, 40])
def test_the_short_side_is_resized_as_by_big_vision(reference, shape, side):
    expected = reference[f"bv_resize_small{side}_{shape}"]
    image = preprocess(
        reference[f"image_{shape}"], expected.shape[:2], resolve("big_vision:1")
    )
    assert image.dtype == tf.uint8
    np.testing.assert_array_equal(image, expected)


@shapes
@pytest.mark.parametrize(
    ("preprocessing", "side", "name"),
    [
        ("big_vision:0.8", 32, "bv_eval_small40_crop32"),
        ("big_vision:20/24", 20, "bv_eval_small24_crop20"),
        ("big_vision_fewshot:0.8", 32, "bv_fewshot_resize40_crop32"),
    ],
)
def test_the_middle_is_cut_out_as_by_big_vision(
    reference, shape, preprocessing, side, name
):
    image = preprocess(
        reference[f"image_{shape}"], (side, side), resolve(preprocessing)
    )
    expected = reference[f"{name}_{shape}"]
    np.testing.assert_allclose(normalised(image), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", PILLOW)
def test_antialiased_images_are_pillows_to_one_level(rng, method):
    """The rest are ties, which fall by rounding errors of the filters' weights."""
    way = Preprocessing("squash", method, True, 1.0, "round", arithmetic="transformers")
    differ = []
    for _ in range(30):
        height, width, *size = (int(side) for side in rng.integers(20, 150, 4))
        image = photograph(rng, height, width)
        received = preprocess(image, size, way).numpy().astype(int)
        difference = np.abs(received - pillow(image, size, method))
        assert difference.max() <= 1, (height, width, size)
        differ.append((difference > 0).mean())
    assert np.mean(differ) < 0.02


@pytest.mark.skipif(not OWN_ORDER, reason="Pillow took columns first before 13")
@pytest.mark.parametrize("method", PILLOW)
@pytest.mark.parametrize(
    "sides",
    [
        *[(120, 60), (120, 90), (90, 120), (60, 120), (90, 90)],
        *[(132, 65), (130, 65), (31, 95), (240, 33), (33, 240)],
    ],
)
def test_portraits_squares_and_landscapes_are_the_installed_pillows(rng, method, sides):
    """Noise, on which the order of rows and columns shows most."""
    image = rng.integers(0, 256, (*sides, 3), dtype=np.uint8)
    way = Preprocessing("squash", method, True, 1.0, "round", arithmetic="transformers")
    for size in ((32, 32), (48, 30), (30, 48), (64, 32)):
        received = preprocess(image, size, way).numpy().astype(int)
        expected = Image.fromarray(image).resize(size[::-1], PILLOW[method])
        assert np.abs(received - np.asarray(expected)).max() <= 1, size


def test_photographs_go_to_pillows_own_one_call(rng):
    way = Preprocessing(
        "squash", "bicubic", True, 1.0, "round", arithmetic="torchvision"
    )
    for height, width, size in ((375, 500, (248, 330)), (500, 375, (330, 248))):
        image = photograph(rng, height, width)
        expected = Image.fromarray(image).resize(size[::-1], Image.BICUBIC)
        received = preprocess(image, size, way).numpy().astype(int)
        assert np.abs(received - np.asarray(expected)).max() <= 1


def of_timm(image, size, crop_pct):
    """Resize, center crop: as timm's transform and torchvision's have it."""
    height, width = image.shape[:2]
    rows, columns = (int(np.floor(side / crop_pct)) for side in size)
    if rows == columns:
        short, long = min(height, width), max(height, width)
        other = int(rows * long / short)
        whole = (rows, other) if height <= width else (other, rows)
    else:
        ratio = min(height / rows, width / columns)
        whole = round(height / ratio), round(width / ratio)
    image = pillow(image, whole, "bicubic")
    top, left = (int(round((a - b) / 2.0)) for a, b in zip(whole, size, strict=True))
    return image[top : top + size[0], left : left + size[1]]


def of_transformers(image, size, shortest_edge):
    """Resize by the shortest edge, center crop: as BitImageProcessor has it."""
    height, width = image.shape[:2]
    short, long = min(height, width), max(height, width)
    other = int(shortest_edge * long / short)
    whole = (other, shortest_edge) if width <= height else (shortest_edge, other)
    image = pillow(image, whole, "bicubic")
    top, left = ((a - b) // 2 for a, b in zip(whole, size, strict=True))
    return image[top : top + size[0], left : left + size[1]]


# Margins of every remainder, so that each way of rounding them shows.
SIDES = [(61, 80), (80, 61), (50, 50), (97, 41), (30, 44), (64, 67), (64, 69)]


@pytest.mark.parametrize(
    ("size", "crop_pct"),
    [((32, 32), 0.9), ((32, 32), 1.0), ((33, 33), 0.875), ((32, 48), 0.95)],
)
def test_timm_is_timms(rng, size, crop_pct):
    for sides in SIDES:
        image = photograph(rng, *sides)
        received = preprocess(image, size, resolve(f"timm:{crop_pct}")).numpy()
        expected = of_timm(image, size, crop_pct)
        assert np.abs(received.astype(int) - expected).max() <= 1, sides


@pytest.mark.parametrize(("side", "shortest_edge"), [(32, 37), (28, 32), (32, 32)])
def test_dinov2_is_that_of_transformers(rng, side, shortest_edge):
    for sides in SIDES:
        image = photograph(rng, *sides)
        way = resolve(f"dinov2:{side}/{shortest_edge}")
        received = preprocess(image, (side, side), way).numpy()
        expected = of_transformers(image, (side, side), shortest_edge)
        assert np.abs(received.astype(int) - expected).max() <= 1, sides


def test_resizing_is_bilinear_without_antialiasing(rng):
    image = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    for size in ((5, 5), (20, 31), (9, 7)):
        np.testing.assert_allclose(
            resize(image, size), bilinear(image, size), atol=1e-3
        )


@pytest.mark.parametrize("way", ["vit_jax", "huggingface"])
def test_an_image_of_the_right_size_is_left_alone(rng, way):
    image = rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)
    assert resize(image, (9, 14)) is image
    assert preprocess(image, (9, 14), PRESETS[way]) is image


@pytest.mark.parametrize(
    "size",
    [
        (16, 40),
        pytest.param((24, 24), marks=pytest.mark.slow),
        pytest.param((40, 16), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", PRESETS)
def test_a_graph_gives_the_same_for_sides_that_it_does_not_know(rng, name, size):
    spec = tf.TensorSpec((None, None, 3), tf.uint8)

    @tf.function(input_signature=[spec])
    def graph(image):
        return preprocess(image, size, PRESETS[name])

    assert graph.get_concrete_function().output_shapes == (*size, 3)
    for sides in ((30, 47), (47, 30), (9, 100)):
        image = photograph(rng, *sides)
        expected = preprocess(image, size, PRESETS[name])
        np.testing.assert_array_equal(graph(image), expected)


def test_a_rectangle_is_covered_and_its_middle_cut_out():
    """Columns that count up: what is left of them tells scale and place."""
    image = np.zeros((40, 120, 3), np.uint8)
    image[:] = np.arange(120)[None, :, None]
    wide = preprocess(image, (20, 30), Preprocessing("short_side", crop_fraction=0.5))
    # Covering 40 x 60 at the image's own 40 x 120: the middle 20 x 30 of that.
    np.testing.assert_allclose(wide[0, :, 0], np.arange(45, 75))
    tall = preprocess(image, (20, 10), Preprocessing("short_side"))
    # Covering 20 x 10 at 20 x 60: columns 50 to 70 of the image, two and two.
    np.testing.assert_allclose(tall[0, :, 0], np.arange(50.5, 70, 2))


def test_levels_say_what_becomes_of_fractions():
    image = np.tile(np.uint8([[[0] * 3, [255] * 3]]), (2, 1, 1))
    received = {
        levels: preprocess(image, (1, 1), Preprocessing(levels=levels)).numpy().item(0)
        for levels in ("float", "truncate", "round")
    }
    assert received == {"float": 127.5, "truncate": 127, "round": 128}


def test_the_processors_of_transformers_agree(rng):
    pytest.importorskip("transformers")
    from transformers.models.bit import image_processing_pil_bit as bit
    from transformers.models.vit import image_processing_pil_vit as vit

    image = photograph(rng, 93, 140)
    plain = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
    for processor, way in (
        (vit.ViTImageProcessorPil(size={"height": 48, "width": 64}), "huggingface"),
        (
            bit.BitImageProcessorPil(
                size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}
            ),
            "dinov2",
        ),
    ):
        expected = processor(image, **plain)["pixel_values"][0].transpose(1, 2, 0)
        received = preprocess(image, expected.shape[:2], resolve(way)).numpy()
        assert np.abs(received.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("name", ["big_vision", "timm", "dinov2"])
def test_of_a_slender_image_the_middle_is_resized(name, rng):
    """Its ends, which are cropped away, could fill the memory."""
    image = rng.integers(0, 256, (4, 4000, 3), dtype=np.uint8)
    middle = image[:, 2000 - 64 : 2000 + 64]
    told = preprocess(image, (32, 32), PRESETS[name])
    np.testing.assert_array_equal(told, preprocess(middle, (32, 32), PRESETS[name]))


def places(height, width):
    """An image whose pixels tell where their centres lie, as shares of its sides."""
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    told = np.broadcast_arrays(rows[:, None], columns[None], 0.0)
    return np.stack(told, -1).astype(np.float32)


def inside(image):
    """Without the border, where there is less to resize from."""
    return np.asarray(image, np.float32)[4:-4, 4:-4, :2]


@pytest.mark.parametrize("size", [(32, 32), (24, 41)])
@pytest.mark.parametrize("name", [*PRESETS, "timm:0.5", "big_vision_fewshot:0.6"])
def test_the_window_is_what_preprocessing_leaves(name, size):
    """What the pixels show is read off the pixels themselves."""
    way = replace(resolve(name), levels="float")
    for sides in ((80, 61), (60, 47), (47, 90), (33, 2000)):
        top, left, height, width = window_of(*sides, size, way).numpy()
        received = inside(preprocess(places(*sides), size, way))
        pixel = height / size[0], width / size[1]
        rows = top + (np.arange(size[0]) + 0.5) * pixel[0]
        columns = left + (np.arange(size[1]) + 0.5) * pixel[1]
        expected = inside(np.stack(np.meshgrid(rows, columns, indexing="ij"), -1))
        off = np.abs(received - expected) / pixel  # in the model's own pixels
        assert off.max() < 0.1, sides


@pytest.mark.parametrize("name", PRESETS)
def test_windows_of_many_images_are_those_of_each(name):
    sides = np.array([(80, 61), (47, 90), (33, 2000)])
    together = window_of(*sides.T, (32, 24), PRESETS[name])
    for pair, window in zip(sides, together, strict=True):
        one = window_of(*pair, (32, 24), PRESETS[name])
        np.testing.assert_array_equal(one, window)
