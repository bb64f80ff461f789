import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vit.data import Split
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.order import Order
from keras_vit.data.pipeline import (
    Shard,
    examples_of_step,
    training_batches,
)
from support.splits import numbered

EVERYTHING = Augmentation(
    crop="pad",
    crop_padding=2,
    flip=True,
    randaugment=(2, 10),
    erasing=0.25,
    mixup=0.4,
    cutmix=1.0,
    repeats=2,
)


def stream(split, batch_size, steps, changed=None, num_classes=40, **options):
    """Images and targets of so many batches; `changed` are augmentations."""
    augmentation = Augmentation(**(changed or {}))
    options = {"seed": 0, "augmentation": augmentation} | options
    batches = training_batches(split, batch_size, (4, 6), num_classes, **options)
    return list(itertools.islice(batches.as_numpy_iterator(), steps))


@functools.cache
def unbroken():
    """What all that is entered or divided is compared with."""
    return stream(numbered(25), 8, 12, augmentation=EVERYTHING, seed=5)


def same(batches, others):
    assert len(batches) == len(others) > 0
    for batch, other in zip(batches, others, strict=True):
        for one, two in zip(batch, other, strict=True):
            np.testing.assert_array_equal(one, two)


def labels_of(batches):
    return [targets.argmax(1) for _, targets in batches]


def holds_for(examples, check):
    """Whether it holds for so many examples that are drawn at random."""
    settings(max_examples=examples, deadline=None)(given(st.data())(check))()


examples = pytest.mark.parametrize(
    "examples", [4, pytest.param(16, marks=pytest.mark.slow)]
)


@examples
def test_any_part_of_a_stream_is_that_part_of_the_whole(examples):
    """For random N, batch, seed, replicas, workers and step: resumed is unbroken,
    an epoch sees each example once, the slices are disjoint and complete."""
    holds_for(examples, check_a_part_of_a_stream)


def check_a_part_of_a_stream(data):
    draw = lambda what, low, high: data.draw(st.integers(low, high), what)  # noqa: E731
    replicas = draw("replicas", 1, 4)
    workers = data.draw(
        st.sampled_from([n for n in (1, 2, 4) if not replicas % n]), "workers"
    )
    batch_size = replicas * draw("batch / replicas", 1, 40 // replicas)
    count = draw("images", max(batch_size, 3), 80)  # 0 and 1 alone would be a mask
    split, seed = numbered(count), draw("seed", 0, 2**31)
    mixup = data.draw(st.sampled_from([0.0, 0.4]), "mixup")
    steps = -(-2 * count // batch_size)
    options = {"seed": seed, "changed": {"mixup": mixup}, "num_classes": count}
    whole = stream(split, batch_size, steps, **options)

    first = draw("resumed at", 0, steps - 1)
    local = replicas // workers
    parts = [
        stream(
            split,
            batch_size,
            (steps - first) * local,
            first_step=first,
            shard=Shard(worker * local, local, replicas),
            **options,
        )
        for worker in range(workers)
    ]
    for step in range(steps - first):
        slices = [
            one for part in parts for one in part[step * local : (step + 1) * local]
        ]
        together = tuple(map(np.concatenate, zip(*slices, strict=True)))
        assert len(together[0]) == batch_size
        same([together], [whole[first + step]])

    if not mixup:
        labels = np.concatenate(labels_of(whole))
        for epoch in range(2):
            seen = labels[epoch * count : (epoch + 1) * count]
            np.testing.assert_array_equal(np.sort(seen), np.arange(count))


@examples
def test_a_repeated_image_is_in_its_batch_each_time_changed_anew(examples):
    holds_for(examples, check_repeated_images)


def check_repeated_images(data):
    repeats = data.draw(st.integers(1, 3), "repeats")
    distinct = data.draw(st.integers(1, 8), "images in a batch")
    least = max(repeats * distinct, 3)  # levels of 0 and 1 alone would be a mask
    count = data.draw(st.integers(least, 30), "images")
    steps = -(-count // distinct)
    changed = {"repeats": repeats, "crop": "pad", "crop_padding": 3}
    batches = stream(numbered(count), repeats * distinct, steps, changed)
    rounds = [labels.reshape(repeats, distinct) for labels in labels_of(batches)]
    assert all((one == one[0]).all() for one in rounds)
    seen = np.concatenate([one[0] for one in rounds])[:count]
    np.testing.assert_array_equal(np.sort(seen), np.arange(count))
    if repeats > 1:
        images = np.concatenate(
            [x.reshape(repeats, distinct, -1).swapaxes(0, 1) for x, _ in batches]
        )
        assert any((one != one[0]).any() for one in images)


@pytest.mark.parametrize("count", [6, 40, 1000, 100_000])
def test_the_order_of_an_epoch_is_that_of_chance(count):
    """Nothing of the stored order, of another epoch's or another seed's is left."""
    epochs = max(200 // count, 2)
    places = np.arange(epochs * count)
    orders = [np.arange(count)[None]]
    for seed in (0, 1, 2**31):
        order = Order(count, 1, seed).examples_at(places).numpy()
        orders.append(order.reshape(epochs, count))
    for one, other in itertools.combinations(np.concatenate(orders), 2):
        if count >= 1000:
            assert abs(np.corrcoef(one, other)[0, 1]) < 5 / count**0.5
            assert (one == other).sum() <= 10  # 1 is left in place, on average
    stays = np.mean([one == orders[0][0] for one in np.concatenate(orders[1:])])
    assert abs(stays - 1 / count) < 5 * (1 / count / (3 * epochs * count)) ** 0.5


def test_few_images_come_in_all_orders():
    orders = Order(4, 1, 0).examples_at(np.arange(4 * 600)).numpy().reshape(600, 4)
    kinds, times = np.unique(orders, axis=0, return_counts=True)
    assert len(kinds) == 24
    assert abs(times - 25).max() < 5 * 5


def test_the_examples_of_a_step_are_told():
    split = numbered(25)
    for step, labels in enumerate(labels_of(stream(split, 8, 7, seed=5))):
        np.testing.assert_array_equal(examples_of_step(split, 8, 5, step), labels)


@pytest.mark.parametrize("step", [4, pytest.param(9, marks=pytest.mark.slow)])
def test_a_stream_can_be_entered_at_any_step(step):
    options = {"augmentation": EVERYTHING, "seed": 5, "first_step": step}
    same(stream(numbered(25), 8, 12 - step, **options), unbroken()[step:])


@pytest.mark.parametrize(
    "shards",
    [
        pytest.param([Shard(0, 4, 4)], marks=pytest.mark.slow),
        [Shard(0, 2, 4), Shard(2, 2, 4)],
    ],
)
def test_the_slices_of_a_batch_are_the_batch(shards):
    """For one worker of four replicas, and for two workers of two."""
    options = {"augmentation": EVERYTHING, "seed": 5, "first_step": 2}
    whole = unbroken()[2:5]
    parts = [
        stream(numbered(25), 8, 3 * shard.count, shard=shard, **options)
        for shard in shards
    ]
    for step, (images, targets) in enumerate(whole):
        slices = [
            slice_
            for shard, part in zip(shards, parts, strict=True)
            for slice_ in part[step * shard.count : (step + 1) * shard.count]
        ]
        assert [len(one) for one, _ in slices] == [2] * 4
        same(
            [tuple(map(np.concatenate, zip(*slices, strict=True)))], [(images, targets)]
        )


def test_an_images_augmentation_does_not_depend_on_the_batch_size(rng):
    pixels = rng.integers(0, 256, (12, 4, 6, 3), dtype=np.uint8)
    changed = {"crop": "pad", "crop_padding": 2, "flip": True, "randaugment": (2, 10)}
    split = Split(pixels, np.arange(12))
    streams = [
        np.concatenate(
            [images for images, _ in stream(split, size, 24 // size, changed)]
        )
        for size in (3, 4, 12)
    ]
    for other in streams[1:]:
        np.testing.assert_array_equal(streams[0], other)


def test_images_come_with_numbers_of_their_places_in_place_of_targets():
    """Which no batch size, slice or step at which the stream is entered changes."""
    split, options = numbered(20), {"draws": 7, "changed": {"flip": True}}
    whole = stream(split, 8, 5, **options)
    images, numbers = (np.concatenate(part) for part in zip(*whole, strict=True))
    assert numbers.shape == (40, 7)
    assert 0 <= numbers.min() < 0.1 < 0.9 < numbers.max() < 1
    assert len(np.unique(numbers)) > 270  # no number twice, or hardly
    same(stream(split, 8, 3, first_step=2, **options), whole[2:])
    by_four = stream(split, 4, 10, **options)
    np.testing.assert_array_equal(np.concatenate([n for _, n in by_four]), numbers)
    second = stream(split, 8, 5, shard=Shard(1, 1, 2), **options)
    same(second, [(images[4:], numbers[4:]) for images, numbers in whole])
    labels = np.concatenate(labels_of(stream(split, 8, 5)))
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_images_keep_their_labels():
    for images, targets in stream(numbered(20), 7, 5, {"flip": True}):
        np.testing.assert_array_equal(images[:, 0, 0, 0], targets.argmax(1))
        assert (targets.sum(1) == 1).all()


def test_mixed_images_are_mixed_as_their_targets():
    """An image filled with i is mixed to the mean of the targets' numbers."""
    ratios = []
    for images, targets in stream(numbered(20), 5, 40, {"mixup": 0.4}):
        np.testing.assert_allclose(
            images[:, 0, 0, 0], targets @ np.arange(40), atol=1e-4
        )
        plain = np.sort(targets, axis=1)[:, -2:]
        assert (plain == plain[0]).all()  # one ratio for the batch
        np.testing.assert_allclose(plain.sum(1), 1, atol=1e-6)
        ratios.append(plain[0, 1])
    assert min(ratios) >= 0.5
    # The mean of max(a, 1 - a) over Beta(0.4, 0.4), by a large sample.
    expected = np.random.default_rng(0).beta(0.4, 0.4, 200_000)
    expected = np.maximum(expected, 1 - expected)
    assert (
        abs(np.mean(ratios) - expected.mean()) < 3 * expected.std() / len(ratios) ** 0.5
    )


def test_each_step_draws_its_augmentation_anew(rng):
    pixels = rng.integers(0, 256, (6, 4, 6, 3), dtype=np.uint8)
    split = Split(pixels, np.arange(6))
    for changed in (
        {"flip": True},
        {"crop": "pad", "crop_padding": 2},
        {"crop": "inception"},
        {"randaugment": (1, 10)},
        {"erasing": 0.5},
    ):
        steps = stream(split, 6, 4, changed)
        by_label = [x[np.argsort(y.argmax(1))] for x, y in steps]
        assert any((one != pixels).any() for one in by_label), changed
        assert any((by_label[0] != other).any() for other in by_label[1:]), changed


@pytest.mark.parametrize("batch_size", [0, 11])
def test_a_batch_size_that_the_split_cannot_fill_is_refused(batch_size):
    with pytest.raises(ValueError, match="between 1 and the 10 training images"):
        training_batches(numbered(10), batch_size, (4, 6), 10, seed=0)


def test_a_batch_that_the_replicas_cannot_share_is_refused():
    with pytest.raises(ValueError, match="multiple of the 4 replicas"):
        training_batches(numbered(10), 6, (4, 6), 10, seed=0, shard=Shard(0, 4, 4))


def test_images_are_resized_to_the_models_size():
    [(images, _)] = itertools.islice(
        training_batches(numbered(3), 3, (8, 5), 3, seed=0).as_numpy_iterator(), 1
    )
    assert images.shape == (3, 8, 5, 3)


@pytest.mark.parametrize("changed", [{}, {"flip": True, "erasing": 1e-9}])
def test_images_are_antialiased_where_that_is_chosen_together_and_one_by_one(changed):
    """Lines of which bilinear weights see the black ones alone."""
    lines = np.zeros((6, 16, 6, 3), np.uint8)
    lines[:, ::4] = lines[:, 3::4] = 255
    split = Split(lines, np.zeros(6, np.int32))
    (plain, _), *_ = stream(split, 3, 1, changed)
    (averaged, _), *_ = stream(split, 3, 1, changed | {"resize_antialias": True})
    np.testing.assert_allclose(plain, 0)
    assert np.abs(averaged[:, 1:-1] - 127.5).max() < 32
