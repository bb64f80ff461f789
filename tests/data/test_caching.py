import io
import itertools
import json
import os
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit.data import Dataset, Files, Split, cached
from keras_vit.data import image_cache as caches
from keras_vit.data.augmentation import Augmentation
from keras_vit.data.images import UnreadableImageError
from keras_vit.data.pipeline import training_batches
from keras_vit.data.shards import ShardWriter, indexes, read_shard
from keras_vit.data.tfrecord import RecordFiles, record_offsets
from keras_vit.data.unreadable import unreadable_among
from support.photographs import drawn, photographs, write_kinds
from support.programs import environment, program

CHANGES = {"crop": "inception", "crop_area": (0.25, 1.0), "flip": True}


def batches(split, steps, first_step=0, size=12):
    """Images and targets of some steps, in one array each."""
    stream = training_batches(
        split,
        4,
        (size, size),
        2,
        seed=3,
        first_step=first_step,
        augmentation=Augmentation(**CHANGES, resize_antialias=True),
    )
    found = itertools.islice(stream.as_numpy_iterator(), steps)
    return [np.concatenate(arrays) for arrays in zip(*found, strict=True)]


def same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def reopened(dataset, folder, **options):
    """The data set through the cache as another process would open it."""
    for cache in [*caches._OPEN.values()]:
        cache.seal()
    caches._OPEN.clear()
    return cached(dataset, folder, **options)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """A split of every kind of file, and the same through a cache."""
    folder = tmp_path_factory.mktemp("kinds")
    paths = write_kinds(folder)
    split = Files([*paths.values()], np.arange(len(paths)) % 2)
    dataset = Dataset("kinds", split, split, ("even", "odd"))
    return split, cached(dataset, folder / "cache", short_side=32).train, [*paths]


def test_an_image_of_any_kind_is_what_pillow_makes_of_it_smaller(kinds):
    split, small, names = kinds
    for index, name in enumerate(names):
        if name == "small.jpg":
            continue  # kept as it is
        whole = Image.fromarray(split.image(index))  # upright, before a background
        scale = min(32 / min(whole.size), 1)
        size = [round(side * scale) for side in whole.size]
        file = io.BytesIO()
        whole.resize(size, Image.BICUBIC).save(file, "JPEG", quality=90)
        expected = np.asarray(Image.open(file), np.float32)
        found = small.image(index)
        assert found.shape == expected.shape, name
        assert np.abs(found - expected).mean() < 2, name


def test_an_image_is_the_same_before_and_after_it_is_stored(kinds):
    _, small, _ = kinds
    read = small.reader()
    for index in range(len(small)):
        file = small.reduced(tf.constant(index)).numpy()
        pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
        same([small.image(index)], [pixels])
        same([small.image(index)], [read(tf.constant(index)).numpy()])


def test_a_small_jpeg_is_kept_as_it_is(kinds):
    split, small, names = kinds
    index = names.index("small.jpg")
    with open(split.name(index), "rb") as file:
        assert small.reduced(tf.constant(index)).numpy() == file.read()


@pytest.mark.slow
def test_the_first_epoch_sees_the_images_of_the_later_ones_bit_for_bit(tmp_path):
    dataset = photographs(tmp_path / "photos")
    first = batches(cached(dataset, tmp_path / "one", short_side=24).train, 12)
    again = reopened(dataset, tmp_path / "one", short_side=24)
    assert "all 20 are there" not in again.notes[-1]  # the test split is not read yet
    same(first, batches(again.train, 12))
    # Entered in the middle, with a cache that is new, half full and full.
    for folder in ("new", "one"):
        other = cached(dataset, tmp_path / folder, short_side=24)
        same([array[28:] for array in first], batches(other.train, 5, first_step=7))
    assert np.abs(first[0] - batches(dataset.train, 12)[0]).mean() > 0.1


def test_the_cache_is_read_and_not_the_files(tmp_path):
    dataset = photographs(tmp_path / "photos", 10)
    first = batches(cached(dataset, tmp_path / "cache", short_side=24).train, 4)
    for path in dataset.train.paths:
        status = os.stat(path)
        with open(path, "r+b") as file:  # of the same size and time
            file.write(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    same(first, batches(reopened(dataset, tmp_path / "cache").train, 4))


@pytest.mark.parametrize("by", ["time", "size"])
def test_a_file_that_has_changed_is_made_anew(tmp_path, by):
    dataset = photographs(tmp_path / "photos", 10)
    before = cached(dataset, tmp_path / "cache", short_side=24).train
    old = [before.image(index) for index in range(len(before))]
    path = before.name(3)
    status = os.stat(path)
    Image.fromarray(drawn(60, 90, 77)).save(path)
    if by == "size":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif os.path.getsize(path) < status.st_size:
        with open(path, "ab") as file:
            file.write(bytes(status.st_size - os.path.getsize(path)))
    after = reopened(dataset, tmp_path / "cache").train
    assert after.cache.missing(after.keys) == [3]
    assert after.image(3).shape == (24, 36, 3)
    same([after.image(2)], [old[2]])


def test_how_files_are_read_is_a_part_of_what_is_kept(tmp_path):
    paths = write_kinds(tmp_path)
    split = Files([paths["turned.jpg"], paths["alpha.png"]], np.array([0, 1]))
    dataset = Dataset("kinds", split, split, ("turned", "alpha"))
    upright = cached(dataset, tmp_path / "cache", short_side=32).train
    assert upright.image(0).shape == (43, 32, 3)
    lying = Files(split.paths, split.labels, exif_orientation=False)
    lying = Dataset("kinds", lying, lying, dataset.class_names)
    assert cached(lying, tmp_path / "cache").train.image(0).shape == (32, 43, 3)
    assert upright.fingerprint() != split.fingerprint()
    assert (
        upright.fingerprint() != cached(lying, tmp_path / "cache").train.fingerprint()
    )


def test_the_same_images_are_unreadable_as_without_the_cache(tmp_path):
    dataset = photographs(tmp_path / "photos", 10)
    names = [dataset.train.name(index) for index in range(8)]
    with open(names[0], "rb") as file:
        whole = file.read()
    wrong = {1: whole[: len(whole) // 2], 3: b"no image", 4: b"", 6: None}
    for index, data in wrong.items():
        os.remove(names[index])
        if data is not None:
            with open(names[index], "wb") as file:
                file.write(data)
    small = cached(dataset, tmp_path / "cache", short_side=24).train
    for _ in range(2):
        found = unreadable_among(small, range(8))
        assert found == unreadable_among(dataset.train, range(8))
        assert [*found] == [*wrong]
    with pytest.raises(UnreadableImageError, match="003.jpg: not a readable image"):
        small.image(3)


@pytest.mark.slow
def test_a_damaged_or_a_removed_shard_is_made_anew(tmp_path):
    dataset = photographs(tmp_path / "photos", 10)
    first = batches(cached(dataset, tmp_path / "cache", short_side=24).train, 4)
    again = reopened(dataset, tmp_path / "cache").train
    (shard, *_) = (tmp_path / "cache").glob("*.tfrecord")
    data = bytearray(shard.read_bytes())
    data[len(data) // 3] ^= 255
    shard.write_bytes(data)
    same(first, batches(again, 4))
    again = reopened(dataset, tmp_path / "cache").train
    for records in (tmp_path / "cache").glob("*.tfrecord"):
        records.unlink()
    same(first, batches(again, 4))
    same(first, batches(reopened(dataset, tmp_path / "cache").train, 4))


def test_shards_are_tfrecord_files_of_jpeg_images(tmp_path):
    dataset = photographs(tmp_path / "photos", 10)
    small = cached(dataset, tmp_path / "cache", short_side=24).train
    small.reader()
    wanted = [small.image(index) for index in range(8)]
    paths = sorted(str(path) for path in (tmp_path / "cache").glob("*.tfrecord"))
    read = RecordFiles(paths, [len(record_offsets(path)) for path in paths])
    record = read.reader(np.arange(len(read)))
    found = [record(tf.constant(number)) for number in range(len(read))]
    assert len(found) == 8  # each once
    decoded = [tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE") for data in found]
    key = [image.numpy().tobytes() for image in decoded]
    assert sorted(key) == sorted(image.tobytes() for image in wanted)


def test_a_cache_of_smaller_images_is_refused_with_what_to_do(tmp_path):
    dataset = photographs(tmp_path / "photos", 5)
    small = cached(dataset, tmp_path / "cache", short_side=24, quality=80).train
    small.image(0)
    with pytest.raises(ValueError, match=r"48 pixels.*24 pixels.*another folder"):
        reopened(dataset, tmp_path / "cache", short_side=48)
    with pytest.raises(ValueError, match="quality 90.*quality 80"):
        reopened(dataset, tmp_path / "cache", quality=90)
    for options in ({}, {"short_side": 20}, {"quality": 80}):
        settings = reopened(dataset, tmp_path / "cache", **options).train.cache.settings
        assert (settings.short_side, settings.quality) == (24, 80)


@pytest.mark.parametrize("short_side", [0, -3, 70_000])
def test_a_short_side_that_no_jpeg_has_is_refused(tmp_path, short_side):
    with pytest.raises(ValueError, match=f"Received: {short_side}"):
        cached(photographs(tmp_path, 5), tmp_path / "cache", short_side=short_side)


def test_other_folders_and_other_data_are_refused(tmp_path):
    dataset = photographs(tmp_path / "photos", 5)
    with pytest.raises(ValueError, match="photos, which holds something else"):
        cached(dataset, tmp_path / "photos")
    (tmp_path / "cache").mkdir()
    for text in ("[]", "{}", '{"version": 9}', "no JSON", '{"version": 1, "a": 2}'):
        (tmp_path / "cache" / "cache.json").write_text(text)
        with pytest.raises(ValueError, match="cache, which holds something else"):
            cached(dataset, tmp_path / "cache")
    arrays = Split(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4) % 2)
    with pytest.raises(ValueError, match="cache needs a data set of image files"):
        cached(Dataset("arrays", arrays, arrays, ("a", "b")), tmp_path / "other")


def test_the_disk_it_takes_is_said_before_it_is_taken(tmp_path, monkeypatch):
    dataset = photographs(tmp_path / "photos")
    planned = cached(dataset, tmp_path / "cache", short_side=24)
    assert not (tmp_path / "cache").exists()
    said = planned.notes[-1]
    assert "a short side of 24 pixels, JPEG quality 90" in said
    assert "adds 20 of 20: about " in said
    for split in planned.splits().values():
        split.reader()
        for index in range(len(split)):
            split.image(index)
    taken = sum(path.stat().st_size for path in (tmp_path / "cache").glob("shard*"))
    about = float(said.partition("about ")[2].partition(" KB")[0]) * 1000
    assert about == pytest.approx(taken, rel=0.3)
    assert "all 20 are there" in reopened(dataset, tmp_path / "cache").notes[-1]
    full = lambda path: type("Usage", (), {"free": 1000})()  # noqa: E731
    monkeypatch.setattr("shutil.disk_usage", full)
    cached(dataset, tmp_path / "cache")  # needs nothing more
    with pytest.raises(OSError, match=r"cache needs about \d+ KB for 20 images"):
        cached(dataset, tmp_path / "other")


def test_a_disk_that_is_full_or_closed_changes_no_pixel(tmp_path, monkeypatch, caplog):
    dataset = photographs(tmp_path / "photos", 10)
    wanted = batches(cached(dataset, tmp_path / "one", short_side=24).train, 4)

    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(ShardWriter, "add", full)
    same(wanted, batches(cached(dataset, tmp_path / "two", short_side=24).train, 4))
    assert caplog.text.count("takes no more images") == 1


@pytest.mark.slow
def test_what_a_killed_process_had_begun_is_passed_over_and_swept_away(tmp_path):
    dataset = photographs(tmp_path / "photos", 10)
    killed = subprocess.run(
        program("data.killed_cache", tmp_path),
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -9, killed.stderr[-3000:]
    folder = tmp_path / "cache"
    kept = sum(len(read_shard(index)) for index in indexes(folder))
    assert 0 < kept < 8 and [*folder.glob(".shard-*.partial")]
    again = cached(dataset, folder, short_side=24)
    assert len(again.train.cache.missing(again.train.keys)) == 8 - kept
    found = batches(again.train, 4)
    assert not [*folder.glob(".shard-*")]
    same(found, batches(cached(dataset, tmp_path / "new", short_side=24).train, 4))


def test_two_caches_at_once_share_what_each_has_sealed(tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "_LOOKS", -1)
    dataset = photographs(tmp_path / "photos", 10)
    one = cached(dataset, tmp_path / "cache", short_side=24).train
    one.image(0)
    caches._OPEN.clear()
    other = cached(dataset, tmp_path / "cache", short_side=24).train
    assert other.cache is not one.cache
    other.image(1)
    for cache in (one.cache, other.cache):
        cache.seal()
    for split in (one, other):
        for index in (0, 1):
            assert split.cache.get(split.keys[index]) is not None
    assert json.loads((tmp_path / "cache" / "cache.json").read_text()) == {
        "version": 1,
        "short_side": 24,
        "quality": 90,
    }


def test_an_image_longer_than_any_jpeg_is_kept_too(tmp_path):
    long = np.zeros((2, 66_000, 3), np.uint8)
    long[:, ::7] = 200
    Image.fromarray(long).save(tmp_path / "long.png")
    split = Files([tmp_path / "long.png"] * 2, np.array([0, 1]))
    dataset = Dataset("long", split, split, ("a", "b"))
    small = cached(dataset, tmp_path / "cache", short_side=2).train
    for _ in range(2):
        same([small.image(0)], [long])
