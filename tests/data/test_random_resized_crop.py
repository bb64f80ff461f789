"""Windows of random crops beside those of torchvision, timm and TensorFlow."""

import functools
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data.augmentation import WINDOWS

STORED = pathlib.Path(__file__).parents[1] / "fixtures" / "random_resized_crop.json"
ROWS = json.loads(STORED.read_text())["windows"]
LEVELS = np.linspace(0.05, 0.95, 19)
RATIOS = (3 / 4, 4 / 3)
COUNT = 4000
SIDE = tf.TensorSpec((), tf.int32)
# Kolmogorov's distance exceeds it once in ten thousand times with so many draws.
FAR = 2.23 / np.sqrt(COUNT)


@functools.cache
def drawing(crop, area):
    """A graph that draws a window in images of any size, for each of some seeds."""

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.int32)] + 2 * [SIDE])
    def drawn(seeds, height, width):
        draw = lambda seed: tf.stack(WINDOWS[crop](seed, area)(height, width))  # noqa: E731
        return tf.map_fn(draw, seeds, parallel_iterations=1)

    return drawn


@functools.cache
def windows(crop, size, area, count=COUNT):
    """Top, left, height and width of windows, `(count, 4)`."""
    seeds = np.arange(2 * count, dtype=np.int32).reshape(count, 2)
    return drawing(crop, area)(seeds, *size).numpy()


def shares_and_ratios(found, size):
    """The part of the area and the logarithm of width to height of windows."""
    found = np.asarray(found, float)
    return found[:, 2] * found[:, 3] / np.prod(size), np.log(found[:, 3] / found[:, 2])


def distance(values, quantiles, slack):
    """The largest distance of two distribution functions, seen at quantiles.

    Values within `slack` of a quantile, as whole pixels make them, count for it.
    """
    above = [(values < quantile - slack).mean() for quantile in quantiles] - LEVELS
    below = LEVELS - [(values <= quantile + slack).mean() for quantile in quantiles]
    return max(above.max(), below.max())


def distances(crop, row):
    areas, ratios = shares_and_ratios(
        windows(crop, tuple(row["size"]), tuple(row["area"])), row["size"]
    )
    return (
        distance(areas, row["areas"], 1e-3),
        distance(ratios, row["log_ratios"], 3e-3),
    )


@pytest.mark.one_in(4)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['size']}-{row['area']}")
def test_windows_are_distributed_as_torchvision_s(row):
    assert max(distances("random_resized", row)) < FAR
    # The measure can fail: Google's windows are others.
    assert max(distances("inception", row)) > 2 * FAR


def test_google_s_windows_keep_less_than_torchvision_s():
    row = ROWS[0]
    assert (row["size"], row["area"]) == ([375, 500], [0.08, 1.0])
    means = {
        crop: shares_and_ratios(windows(crop, (375, 500), (0.08, 1.0)), (375, 500))[0]
        .mean()
        .round(2)
        for crop in WINDOWS
    }
    assert row["mean_area"] == pytest.approx(0.43, abs=0.005)
    assert means == pytest.approx({"inception": 0.37, "random_resized": 0.43}, abs=0.01)


@pytest.mark.parametrize("size", [(375, 500), (100, 400), (3, 500), (1, 1)])
@pytest.mark.parametrize("crop", WINDOWS)
def test_a_window_lies_within_the_image(crop, size):
    found = windows(crop, size, (0.08, 1.0), 500)
    assert (found[:, 2:] > 0).all()
    assert (found[:, :2] >= 0).all()
    assert (found[:, :2] + found[:, 2:] <= size).all()


def test_a_window_that_fits_nowhere_lies_in_the_middle():
    """As torchvision's: of 100 x 1000, none of 90 % of the area has a ratio of 4:3."""
    found = windows("random_resized", (100, 1000), (0.9, 1.0), 500)
    assert np.unique(found, axis=0).tolist() == [[0, 433, 100, 133]]
    found = windows("random_resized", (1000, 100), (0.9, 1.0), 500)
    assert np.unique(found, axis=0).tolist() == [[433, 0, 133, 100]]


@pytest.mark.parametrize("size", [(375, 500), (400, 100)])
def test_inception_windows_are_distributed_as_tensorflow_draws_them(size):
    """By the function with a state that Google's code calls."""

    @tf.function
    def drawn():
        def draw(_):
            begin, sides, _ = tf.image.sample_distorted_bounding_box(
                [*size, 3],
                tf.zeros((1, 0, 4)),
                min_object_covered=0,
                area_range=(0.08, 1.0),
                aspect_ratio_range=RATIOS,
                max_attempts=100,
                use_image_if_no_bounding_boxes=True,
            )
            return tf.concat([begin[:2], sides[:2]], 0)

        return tf.map_fn(draw, tf.range(COUNT), parallel_iterations=1)

    tf.random.set_seed(3)
    theirs = shares_and_ratios(drawn().numpy(), size)
    for crop, agrees in (("inception", True), ("random_resized", False)):
        ours = shares_and_ratios(windows(crop, size, (0.08, 1.0)), size)
        far = max(
            distance(values, np.quantile(others, LEVELS), 1e-3)
            for values, others in zip(ours, theirs, strict=True)
        )
        assert (far < np.sqrt(2) * FAR) == agrees


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_windows_are_distributed_as_the_library_s_own_draws(library):
    torch = pytest.importorskip("torch")
    pytest.importorskip(library)
    if library == "timm":
        from timm.data.transforms import RandomResizedCropAndInterpolation as Crop
    else:
        from torchvision.transforms import RandomResizedCrop as Crop
    import random

    from PIL import Image

    torch.manual_seed(0)
    random.seed(0)  # timm's
    size, area = (375, 500), (0.08, 1.0)
    image = Image.new("RGB", size[::-1])
    drawn = [Crop.get_params(image, area, RATIOS) for _ in range(COUNT)]
    theirs = shares_and_ratios(drawn, size)
    ours = shares_and_ratios(windows("random_resized", size, area), size)
    for values, others in zip(ours, theirs, strict=True):
        assert distance(values, np.quantile(others, LEVELS), 1e-3) < np.sqrt(2) * FAR
