import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vit.data import Split
from keras_vit.data.augmentation import random_crop, random_flip
from keras_vit.data.pipeline import evaluation_batches, training_batches


def numbered(count):
    """A split whose image i is filled with i, and whose label is i."""
    labels = np.arange(count)
    images = np.broadcast_to(labels[:, None, None, None], (count, 4, 6, 3))
    return Split(images.astype(np.uint8), labels)


def stream(split, batch_size, steps, **options):
    batches = training_batches(split, batch_size, (4, 6), **({"seed": 0} | options))
    return list(itertools.islice(batches.as_numpy_iterator(), steps))


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_each_epoch_sees_each_example_once(data):
    count = data.draw(st.integers(1, 40), "images")
    batch_size = data.draw(st.integers(1, count), "batch size")
    seed = data.draw(st.integers(0, 2**31), "seed")
    steps = -(-3 * count // batch_size)
    labels = np.concatenate(
        [labels for _, labels in stream(numbered(count), batch_size, steps, seed=seed)]
    )
    for epoch in range(3):
        seen = labels[epoch * count : (epoch + 1) * count]
        np.testing.assert_array_equal(np.sort(seen), np.arange(count))


def test_epochs_and_seeds_differ_in_order():
    split = numbered(40)
    first, second = (labels for _, labels in stream(split, 40, 2))
    [(_, other)] = stream(split, 40, 1, seed=1)
    assert (first != second).any()
    assert (first != other).any()


@pytest.mark.parametrize("step", [1, 4, 9])
def test_a_stream_can_be_entered_at_any_step(step):
    options = {"flip": True, "crop_padding": 2, "seed": 5}
    whole = stream(numbered(25), 8, 12, **options)
    entered = stream(numbered(25), 8, 12 - step, first_step=step, **options)
    for (images, labels), (again, labels_again) in zip(
        whole[step:], entered, strict=True
    ):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, labels_again)


def test_images_keep_their_labels():
    for images, labels in stream(numbered(20), 7, 5, flip=True):
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_each_step_draws_its_augmentation_anew(rng):
    pixels = rng.integers(0, 256, (6, 4, 6, 3), dtype=np.uint8)
    split = Split(pixels, np.arange(6))
    steps = stream(split, 6, 4, flip=True, crop_padding=2)
    by_label = [images[np.argsort(labels)] for images, labels in steps]
    assert any((by_label[0] != other).any() for other in by_label[1:])
    for options in ({"flip": True}, {"crop_padding": 2}):
        changed = [x[np.argsort(y)] for x, y in stream(split, 6, 4, **options)]
        assert any((one != pixels).any() for one in changed)


@pytest.mark.parametrize("batch_size", [0, 11])
def test_a_batch_size_that_the_split_cannot_fill_is_refused(batch_size):
    with pytest.raises(ValueError, match="between 1 and the 10 training images"):
        training_batches(numbered(10), batch_size, (4, 6), seed=0)


def test_a_flip_mirrors_about_half_of_the_images(rng):
    images = rng.integers(0, 256, (400, 4, 6, 3), dtype=np.uint8)
    flipped = random_flip(images, (1, 2)).numpy()
    mirrored = (flipped == images[:, :, ::-1]).all((1, 2, 3))
    same = (flipped == images).all((1, 2, 3))
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_a_crop_is_the_image_moved_by_up_to_the_padding(rng):
    images = rng.integers(1, 256, (300, 5, 6, 3), dtype=np.uint8)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    offsets = set()
    for index, crop in enumerate(random_crop(images, (3, 4), 2).numpy()):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if (padded[index, top : top + 5, left : left + 6] == crop).all()
        ]
        assert len(found) == 1
        offsets |= set(found)
    assert len(offsets) == 25


@pytest.mark.parametrize("batch_size", [1, 3, 10, 16])
def test_evaluation_sees_every_image_once_in_batches_of_one_shape(batch_size):
    split = numbered(10)
    seen = []
    for images, labels, weights in evaluation_batches(split, batch_size, (4, 6)):
        assert images.shape == (batch_size, 4, 6, 3)
        assert labels.shape == weights.shape == (batch_size,)
        assert not images[weights == 0].any()
        seen += list(images[weights > 0][:, 0, 0, 0])
    assert seen == list(range(10))


def test_images_are_resized_to_the_models_size():
    [(images, _)] = itertools.islice(
        training_batches(numbered(3), 3, (8, 5), seed=0).as_numpy_iterator(), 1
    )
    assert images.shape == (3, 8, 5, 3)
    images, _, _ = next(iter(evaluation_batches(numbered(3), 3, (8, 5))))
    assert images.shape == (3, 8, 5, 3)
