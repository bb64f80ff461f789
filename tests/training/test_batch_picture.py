"""The picture of a run's first batch."""

import contextlib
import json
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from keras_vit import figures
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.pipeline import training_batches
from keras_vit.training.artifacts.batch_picture import captions_of
from support.figures import inside
from support.training.interrupted import outcome, train
from support.training.small import small_dataset, small_recipe

pytestmark = pytest.mark.slow  # whole runs

RECIPE = small_recipe(steps=3, warmup_steps=0, flip=True, mixup=0.5, batch_size=50)


@contextlib.contextmanager
def drawn():
    """What is drawn meanwhile."""
    with mock.patch.object(
        figures, "training_batch", side_effect=figures.training_batch
    ) as drawing:
        yield drawing.call_args_list


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    """A run with its picture, and what was drawn."""
    folder = tmp_path_factory.mktemp("pictured")
    with drawn() as calls:
        run = train(folder, recipe=RECIPE, verbose=0)
    return run, [one.args for one in calls]


def test_the_picture_is_of_the_images_of_the_first_step(pictured):
    run, [(images, captions, title)] = pictured
    stream = training_batches(
        small_dataset().train,
        50,
        (16, 16),
        2,
        seed=0,
        augmentation=Augmentation(crop="pad", crop_padding=1, flip=True, mixup=0.5),
    )
    expected, targets = next(iter(stream))
    np.testing.assert_array_equal(images, expected[:32])
    assert title == "First batch of sides: 32 of 50 images"
    shares = targets.numpy()[:32]
    assert 0 < shares[0].min() < 1  # mixed
    for share, caption in zip(shares, captions, strict=True):
        larger = ("left half", "right/half")[share.argmax()]
        assert caption[0] == (
            larger if share.max() == 1 else f"{larger} {share.max():.2f}"
        )
        assert len(caption) == np.count_nonzero(share)
    with Image.open(run.folder / "training_batch.png") as picture:
        assert picture.width > picture.height > 300


def test_the_picture_changes_nothing_of_the_run(pictured, tmp_path):
    with drawn() as calls:
        plain = train(tmp_path, recipe=RECIPE, verbose=0, export=False)
    assert not calls
    assert not (plain.folder / "training_batch.png").exists()
    assert outcome(plain) == outcome(pictured[0])


def test_a_run_that_resumes_draws_nothing(pictured):
    run, _ = pictured
    (run.folder / "finished.json").unlink()
    with drawn() as calls:
        train(run.folder.parent, recipe=RECIPE, verbose=0)
    assert not calls
    assert json.loads((run.folder / "finished.json").read_text())["steps"] == 3


def test_images_without_labels_have_no_captions(tmp_path):
    recipe = small_recipe(steps=1, warmup_steps=0, masked_patches="mean_color")
    with drawn() as calls:
        train(tmp_path, recipe=recipe, verbose=0)
    [(images, captions, _)] = (one.args for one in calls)
    assert captions == [[]] * 10
    assert images.shape == (10, 16, 16, 3)


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ([0, 1, 0, 0], ["b"]),
        ([0.3, 0.1, 0.6, 0], ["c 0.60", "a 0.30"]),
        ([1, 0, 1, 1], ["a", "c"]),
        ([0, 0, 0, 0], []),
    ],
)
def test_captions_are_the_names_of_the_two_largest_shares(target, lines):
    assert captions_of(np.array(target, np.float32), "abcd") == lines


@pytest.mark.parametrize(("count", "size"), [(1, (8, 8)), (3, (16, 24)), (11, (24, 8))])
def test_the_images_of_a_batch_are_drawn_pixel_for_pixel(count, size, rng):
    images = rng.integers(0, 256, (count, *size, 3)).astype("float32")
    captions = [["a long name of a class of images", "$x$"]] * count
    figure = figures.training_batch(images, captions, "A title")
    [axes] = figure.axes
    canvas = axes.images[0].get_array()
    for image in images:
        height, width = size
        found = [
            (canvas[top : top + height, left : left + width] == image).all()
            for top in range(canvas.shape[0] - height + 1)
            for left in range(canvas.shape[1] - width + 1)
        ]
        assert sum(found) == 1
    texts = [one.get_text() for one in axes.texts]
    assert texts == ["a long name of a…", "$x$"] * count
    assert inside(figure)


def test_values_beyond_those_of_pixels_are_drawn_black_and_white():
    images = np.stack([np.full((8, 8, 3), -9.0), np.full((8, 8, 3), 300.0)])
    figure = figures.training_batch(images, [[], []], "")
    canvas = figure.axes[0].images[0].get_array()
    assert {*np.unique(canvas[:8, :8])} == {0}
    assert {*np.unique(canvas[:8, 9:])} == {255}
