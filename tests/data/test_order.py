import itertools

import numpy as np
import pytest

from keras_vit.data import Split
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.joined import Joined
from keras_vit.data.order import BalancedOrder, order_of
from keras_vit.data.pipeline import Shard, examples_of_step, training_batches
from keras_vit.data.unreadable import replacements
from support.splits import numbered

UNEVEN = np.repeat([0, 1, 2, 4], [60, 9, 1, 30])  # none of class 3


def split_of(labels):
    """Images that are numbered, of such labels."""
    return Split(numbered(len(labels)).images, np.asarray(labels))


def drawn(labels, batch_size, count, seed=0, repeats=1):
    order = BalancedOrder(labels, batch_size, seed, repeats)
    return order.examples_at(np.arange(count)).numpy()


@pytest.mark.parametrize(
    "labels", [UNEVEN, [0, 1], [5] * 7, np.arange(12) % 5, np.arange(70)]
)
@pytest.mark.parametrize("seed", [0, 1, 2**31])
def test_every_turn_has_each_class_once(labels, seed):
    labels = np.asarray(labels)
    classes = np.unique(labels)
    images = drawn(labels, len(labels), 50 * len(classes), seed)
    turns = labels[images].reshape(50, len(classes))
    np.testing.assert_array_equal(np.sort(turns), np.tile(classes, (50, 1)))


def test_epochs_and_batches_have_each_class_equally_often():
    images = drawn(UNEVEN, 8, 10 * 100)
    for size in (8, 100):
        for part in UNEVEN[images].reshape(-1, size):
            counts = np.bincount(part, minlength=5)[[0, 1, 2, 4]]
            assert abs(counts - size / 4).max() <= 2


@pytest.mark.parametrize("counts", [(60, 9, 1, 30), (64, 65, 70, 2)])
def test_an_image_comes_again_when_all_of_its_class_have_come(counts):
    labels = np.repeat([0, 1, 2, 4], counts)
    images = drawn(labels, 10, 4 * 150)
    for label, count in zip((0, 1, 2, 4), counts, strict=True):
        own = images[labels[images] == label]
        rounds = own[: len(own) // count * count].reshape(-1, count)
        assert len(rounds) == 150 // count
        members = np.flatnonzero(label == labels)
        np.testing.assert_array_equal(
            np.sort(rounds), np.tile(members, (len(rounds), 1))
        )


def test_rounds_and_turns_are_in_all_orders():
    """Each of 6 orders of 3 images, and of 3 classes, is as frequent as by chance."""
    labels = np.repeat([0, 1, 2], [3, 3, 3])
    images = drawn(labels, 9, 3 * 3 * 600)
    for label in range(3):
        own = images[labels[images] == label].reshape(600, 3)
        kinds, times = np.unique(own, axis=0, return_counts=True)
        assert len(kinds) == 6 and abs(times - 100).max() < 5 * 10
    kinds, times = np.unique(
        labels[images].reshape(1800, 3), axis=0, return_counts=True
    )
    assert len(kinds) == 6 and abs(times - 300).max() < 5 * 300**0.5


@pytest.mark.parametrize("step", [0, 7, 1_000_003])
def test_what_stands_at_a_place_follows_from_the_place_alone(step):
    split = split_of(UNEVEN)
    places = step * 12 + np.arange(12)
    order = order_of(split, 12, 5, sampling="balanced")
    alone = [int(order.examples_at(np.array([place]))[0]) for place in places]
    found = examples_of_step(split, 12, 5, step, sampling="balanced")
    assert found.tolist() == alone
    other = examples_of_step(split, 12, 6, step, sampling="balanced")
    assert found.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("repeats", "mixup"),
    [
        (1, None),
        (3, 0.4),
        pytest.param(1, 0.4, marks=pytest.mark.slow),
        pytest.param(3, None, marks=pytest.mark.slow),
    ],
)
def test_a_balanced_stream_can_be_entered_and_divided_anywhere(repeats, mixup):
    split = split_of(UNEVEN)
    augmentation = Augmentation(repeats=repeats, **({"mixup": mixup} if mixup else {}))
    how = {"seed": 3, "augmentation": augmentation, "sampling": "balanced"}

    def stream(count, **options):
        batches = training_batches(split, 12, (4, 6), 5, **how, **options)
        return list(itertools.islice(batches.as_numpy_iterator(), count))

    whole = stream(6)
    for one, other in zip(stream(2, first_step=4), whole[4:], strict=True):
        np.testing.assert_array_equal(one[1], other[1])
        np.testing.assert_array_equal(one[0], other[0])
    first = stream(6, shard=Shard(0, 1, 4))  # a worker of one replica, one of three
    others = stream(18, shard=Shard(1, 3, 4))
    for step, (images, targets) in enumerate(whole):
        parts = [first[step], *others[3 * step : 3 * step + 3]]
        np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), images)
        np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), targets)
        if not mixup:
            told = examples_of_step(split, 12, 3, step, repeats, sampling="balanced")
            np.testing.assert_array_equal(images[:, 0, 0, 0], told)
            np.testing.assert_array_equal(targets.argmax(1), UNEVEN[told])


def test_unreadable_images_are_replaced_in_a_balanced_stream():
    split, instead = split_of(UNEVEN), replacements(100, [0, 61])
    batches = training_batches(
        *(split, 20, (4, 6), 5),
        seed=0,
        sampling="balanced",
        replacements=instead,
    )
    images, _ = next(batches.as_numpy_iterator())
    told = examples_of_step(split, 20, 0, 0, sampling="balanced")
    np.testing.assert_array_equal(images[:, 0, 0, 0], instead[told])


def test_classes_of_soft_labels_are_the_likeliest():
    split = split_of([0, 0, 0, 1])
    soft = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]], np.float32)
    joined = Joined((split,), np.arange(4), soft)
    for step in range(3):
        np.testing.assert_array_equal(
            examples_of_step(joined, 4, 0, step, sampling="balanced"),
            examples_of_step(split, 4, 0, step, sampling="balanced"),
        )


def test_multi_label_images_are_not_balanced():
    split = split_of(np.array([[1, 1], [0, 1], [0, 0]]))
    with pytest.raises(ValueError, match="sampling=balanced needs .* one class each"):
        training_batches(split, 2, (4, 6), 2, seed=0, sampling="balanced")
