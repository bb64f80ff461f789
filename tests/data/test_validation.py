import hashlib
import math
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vit.data import Dataset, Split, from_arrays, load
from keras_vit.data.holdout import held_out
from keras_vit.data.joined import Joined
from keras_vit.data.records import Records
from keras_vit.data.splits import Files
from keras_vit.data.validation import taken_for_validation
from support.prepared import of_pictures, pictures, prepare


def images_of(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 4, 4, 3), np.uint8)


def write_files(folder, images, names):
    for image, name in zip(images, names, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image.tobytes())  # no image: the bytes alone count
    return [os.fspath(folder / name) for name in names]


def hash_in_unit_interval(content):
    """In [0, 1), from the definition: of the bytes, then of that number's name."""
    first = int(hashlib.blake2b(content, digest_size=8).hexdigest(), 16)
    name = f"validation {first}".encode()
    return int(hashlib.blake2b(name, digest_size=8).hexdigest(), 16) / 2**64


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5])
def test_of_large_classes_the_hash_of_the_bytes_decides_alone(fraction):
    images, labels = images_of(3000), np.arange(3000) % 3
    taken = taken_for_validation(Split(images, labels), fraction)
    expected = [hash_in_unit_interval(one.tobytes()) < fraction for one in images]
    assert taken.tolist() == expected
    bound = 4 * (3000 * fraction * (1 - fraction)) ** 0.5
    assert abs(taken.sum() - 3000 * fraction) < bound


def test_names_and_places_change_nothing(tmp_path, rng):
    images, labels = images_of(60), np.arange(60) % 3
    in_memory = taken_for_validation(Split(images, labels), 0.25)
    paths = write_files(tmp_path / "a", images, [f"{n}.png" for n in range(60)])
    in_files = taken_for_validation(Files(paths, labels), 0.25)
    order = rng.permutation(60)
    renamed = [f"{labels[n]}/other name {n}.jpg" for n in order]
    paths = write_files(tmp_path / "b", images[order], renamed)
    elsewhere = taken_for_validation(Files(paths, labels[order]), 0.25)
    np.testing.assert_array_equal(in_files, in_memory)
    np.testing.assert_array_equal(elsewhere, in_memory[order])


def test_of_images_that_come_hardly_one_moves_another():
    images, labels = images_of(2000), np.zeros(2000, int)
    before = taken_for_validation(Split(images[:1000], labels[:1000]), 0.1)
    after = taken_for_validation(Split(images, labels), 0.1)
    np.testing.assert_array_equal(after[:1000], before)
    for count in range(20, 60):
        before = taken_for_validation(Split(images[:count], labels[:count]), 0.1)
        count += 1
        after = taken_for_validation(Split(images[:count], labels[:count]), 0.1)
        assert (before != after[:-1]).sum() <= 1


def test_copies_of_an_image_are_on_one_side_whatever_they_are_called(tmp_path, rng):
    images = images_of(20)
    which = np.concatenate([np.arange(20), rng.integers(0, 20, 40)])
    names = [f"class {n % 2}/{n}.{'jpg' if n % 3 else 'JPEG'}" for n in range(60)]
    paths = write_files(tmp_path, images[which], names)
    taken = taken_for_validation(Files(paths, which % 2), 0.3)
    sides = {(image, side) for image, side in zip(which, taken, strict=True)}
    assert len(sides) == 20 and 0 < taken.sum() < 60


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_class_keeps_an_image_to_train_on_and_gives_about_its_share(data):
    counts = [2, *data.draw(st.lists(st.integers(0, 40), max_size=4))]
    fraction = data.draw(st.sampled_from([0.05, 0.1, 0.2, 0.34, 0.5, 0.9]))
    labels = np.repeat(np.arange(len(counts)), counts)
    hashes = data.draw(st.permutations(range(len(labels))))
    hashes = np.array(hashes, np.uint64) * np.uint64(2**64 // len(labels))
    taken = held_out(hashes, labels, fraction=fraction, every_class=False)
    for number, count in enumerate(counts):
        share = int(taken[labels == number].sum())
        assert share <= max(count - 1, 0)
        assert share <= math.ceil(1.25 * fraction * count - 1e-9)
        assert share >= min(0.75 * fraction * count - 1, count - 1)


def test_small_data_gives_at_least_one_image_that_its_class_can_spare():
    for seed in range(30):
        split = Split(images_of(18, seed), np.repeat([0, 1, 2], [8, 9, 1]))
        taken = taken_for_validation(split, 0.06)
        assert 1 <= taken.sum() <= 2
        assert not taken[-1]  # the only one of its class


def test_groups_are_taken_whole_by_their_names(tmp_path, rng):
    group = rng.integers(0, 30, 200)
    names = np.array([b"patient %d" % n for n in group])
    paths = [f"{n}.jpg" for n in range(200)]  # of which none is read
    split = Files(paths, rng.integers(0, 3, 200), groups=names)
    taken = taken_for_validation(split, 0.2)
    for one in range(30):
        assert len({*taken[group == one]}) <= 1
    assert 0.1 < taken.mean() < 0.3
    order = rng.permutation(200)
    np.testing.assert_array_equal(
        taken_for_validation(split.subset(order), 0.2), taken[order]
    )


def test_groups_of_all_classes_leave_every_class_a_group():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        names = np.array([b"%d %d" % (seed, n) for n in rng.integers(0, 6, 20)])
        labels = rng.integers(0, 4, 20)
        split = Files([f"{n}.jpg" for n in range(20)], labels, groups=names)
        taken = taken_for_validation(split, 0.5)
        assert {*labels[~taken]} == {*labels}


def test_of_images_with_several_classes_every_class_stays_in_training(rng):
    labels = (rng.random((300, 8)) < [0.9, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01]) * 1
    labels[0, 7] = 1
    taken = taken_for_validation(Split(images_of(300), labels), 0.2)
    assert labels[~taken].any(0).all()
    assert 0.14 < taken.mean() < 0.26


def test_a_data_set_has_its_training_images_on_one_of_two_sides():
    train = Split(images_of(50), np.arange(50) % 2)
    test = Split(images_of(10, 1), np.arange(10) % 2)
    dataset = Dataset("photos", train, test, ("cat", "dog"))
    divided = dataset.with_validation(0.2)
    assert divided.test is test and divided.class_names == ("cat", "dog")
    pixels = {one.tobytes() for one in train.images}
    kept, taken = (
        {one.tobytes() for one in divided.split(name).images}
        for name in ("train", "validation")
    )
    assert kept | taken == pixels and not kept & taken
    with pytest.raises(ValueError, match="which has one of .* Leave out validation"):
        divided.with_validation(0.2)


def test_the_images_taken_do_not_depend_on_those_that_are_tested_on():
    """Both are chosen by hashes of the same pixels, of which one chose a fifth."""
    arrays = images_of(2000), np.arange(2000) % 2
    train = from_arrays(arrays).train
    assert len(train) < 1700
    share = taken_for_validation(train, 0.1).mean()
    assert abs(share - 0.1) < 4 * (0.1 * 0.9 / len(train)) ** 0.5


def test_records_and_joined_splits_are_divided_by_their_images(tmp_path, rng):
    splits = {"train": pictures(30, rng), "test": pictures(5, rng)}
    prepare(tmp_path, "photographs", of_pictures("jpeg"), splits)
    dataset = load("tfds:photographs", data_dir=tmp_path)
    assert isinstance(dataset.train, Records)
    hashes = dataset.train.image_hashes()
    assert len(np.unique(hashes)) == 30
    order = rng.permutation(30)[:20]
    part = dataset.train.subset(order)
    np.testing.assert_array_equal(part.image_hashes(), hashes[order])
    divided = dataset.with_validation(0.2)
    assert len(divided.train) + len(divided.validation) == 30
    joined = Joined((part, dataset.train), order[:5], np.eye(5, dtype=np.float32))
    both = np.concatenate([hashes[order], hashes])
    np.testing.assert_array_equal(joined.image_hashes(), both[order[:5]])


def test_files_that_cannot_be_read_are_left_for_those_who_use_them(tmp_path):
    paths = write_files(tmp_path, images_of(30), [f"{n}.jpg" for n in range(30)])
    os.remove(paths[3])
    assert taken_for_validation(Files(paths, np.arange(30) % 2), 0.2).any()


@pytest.mark.parametrize(
    ("fraction", "error", "message"),
    [
        (10, ValueError, "above 0 and below 1.* Received: validation=10"),
        (0, ValueError, "above 0 and below 1"),
        (float("nan"), ValueError, "above 0 and below 1"),
        (True, TypeError, "must be the fraction"),
        ("10%", TypeError, "such as 0.1. Received: validation='10%'"),
        (0.1, ValueError, "photos, which has 3. Set validation=0.34, or leave"),
    ],
)
def test_fractions_that_are_none_or_too_small_are_refused(fraction, error, message):
    split = Split(images_of(3), np.array([0, 0, 1]))
    with pytest.raises(error, match=message):
        taken_for_validation(split, fraction, "photos")


@pytest.mark.parametrize("labels", [[0], [0, 1, 2, 3]])
def test_classes_of_one_image_are_not_emptied(labels):
    split = Split(images_of(len(labels)), np.array(labels))
    with pytest.raises(ValueError, match="validation.* Add"):
        taken_for_validation(split, 0.6, "photos")


def test_copies_of_one_image_are_not_divided():
    images = np.repeat(images_of(1), 8, axis=0)
    split = Split(images, np.zeros(8, int))
    with pytest.raises(ValueError, match="no class of two different training images"):
        taken_for_validation(split, 0.5, "photos")
