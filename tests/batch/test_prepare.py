"""`keras_vit.batch.prepare`: records that say what the files say."""

import csv
import pathlib

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit import batch, data

pytest.importorskip("apache_beam")
pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    for label in ("cat", "dog"):
        folder = pathlib.Path("photos", label)
        folder.mkdir(parents=True)
        for number in range(12):
            shape = (*rng.integers(20, 50, 2), 3)
            image = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
            suffix = ("png", "jpg", "webp")[number % 3]
            options = {"exif": turned()} if number == 4 else {}
            if number == 5:
                image = image.convert("L")
            if number == 6:
                image.putalpha(100)
            image.save(folder / f"{label}{number}.{suffix}", **options)
    pathlib.Path("photos/dog/bad.png").write_text("no image")
    copied = pathlib.Path("photos/cat/cat0.png").read_bytes()
    pathlib.Path("photos/cat/again.png").write_bytes(copied)


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def by_path(dataset):
    """The pixels and the label of each readable image of all splits."""
    found = {}
    for name, split in dataset.splits().items():
        for index in range(len(split)):
            if "bad" not in split.name(index):
                path = pathlib.Path(split.name(index)).name
                found[name, path] = split.image(index), split.labels[index]
    return found


def paths_in(folder):
    """Of each split the paths that TensorFlow Datasets reads, and their images."""
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(folder)
    return {
        name: list(tfds.as_numpy(builder.as_dataset(split=name)))
        for name in builder.info.splits
    }


def test_records_have_the_pixels_labels_and_splits_of_the_files():
    files = data.load("photos")
    done = batch.prepare("photos", "out", shard_size=5)
    records, expected = data.load("out"), by_path(files)
    assert sum(done.records.values()) == len(expected) == 25
    assert records.class_names == files.class_names
    examples = paths_in("out")
    for name, split in records.splits().items():
        assert len(split) == len(examples[name]) == done.records[name]
        for index, example in enumerate(examples[name]):
            path = example["path"].decode()
            pixels, label = expected.pop((name, pathlib.Path(path).name))
            np.testing.assert_array_equal(split.image(index), pixels)
            assert split.labels[index] == example["label"] == label
            np.testing.assert_array_equal(example["image"].shape, pixels.shape)
    assert not expected


@pytest.mark.slow
def test_files_that_every_reader_decodes_are_kept_as_they_are():
    batch.prepare("photos", "out")
    stored = b"".join(
        one.read_bytes() for one in sorted(pathlib.Path("out").glob("*.tfrecord*"))
    )
    for number, kept in ((1, True), (3, True), (4, False), (2, False), (6, False)):
        [path] = pathlib.Path("photos/cat").glob(f"cat{number}.*")
        assert (path.read_bytes() in stored) is kept, path


def test_what_is_found_is_what_inspect_data_finds():
    done = batch.prepare("photos", "out", shard_size=4)
    expected = data.inspect("photos", "report")
    assert done.inspection == expected
    assert len(expected.unreadable) == 1 and not expected.sound
    for name in ("report.json", "unreadable.txt"):
        made = pathlib.Path("out/_inspection", name).read_text()
        assert made == pathlib.Path("report", name).read_text()


@pytest.mark.slow
def test_the_short_side_is_reduced_and_never_enlarged():
    batch.prepare("photos", "out", short_side=24)
    sizes = by_path(data.load("out"))
    files = [image.shape for image, _ in by_path(data.load("photos")).values()]
    assert {min(image.shape[:2]) for image, _ in sizes.values()} <= {*range(20, 25)}
    kinds = [one["image"].shape for part in paths_in("out").values() for one in part]
    assert max(min(shape[:2]) for shape in kinds) == 24
    assert max(min(shape[:2]) for shape in files) > 24


def test_labels_and_groups_of_a_table_are_kept():
    names = sorted(map(str, pathlib.Path("photos").rglob("*[0-9].*")))
    with open("t.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "labels", "patient"])
        for number, name in enumerate(names):
            rows.writerow([name, "a;b" if number % 3 else "b", f"p{number % 8}"])
    files = data.load("t.csv", group="patient")
    batch.prepare("t.csv", "out", group="patient")
    records = data.load("out")
    assert records.train.several and records.class_names == ("a", "b")
    for name, split in records.splits().items():
        order = np.random.default_rng(0).permutation(len(split))
        own = files.splits()[name]
        np.testing.assert_array_equal(split.labels, own.labels[order])
        np.testing.assert_array_equal(split.groups, own.groups[order])
    part = records.split("train[:50%]")
    rest = records.split("train[50%:]")
    assert not {*part.groups.tolist()} & {*rest.groups.tolist()}


@pytest.mark.slow
def test_a_stopped_call_is_gone_on_with_and_another_refused():
    first = batch.prepare("photos", "out", shard_size=6)
    records = sorted(pathlib.Path("out").glob("*.tfrecord*"))
    before = [one.read_bytes() for one in records]
    times = [one.stat().st_mtime_ns for one in records]
    records[1].unlink()
    pathlib.Path("out/dataset_info.json").unlink()
    assert batch.prepare("photos", "out", shard_size=6) == first
    assert [one.read_bytes() for one in records] == before
    after = [one.stat().st_mtime_ns for one in records]
    assert [a == b for a, b in zip(times, after, strict=True)].count(False) == 1
    with pytest.raises(ValueError, match="short_side=8"):
        batch.prepare("photos", "out", shard_size=6, short_side=8)
    with pytest.raises(ValueError, match="of which train is Split"):
        batch.prepare("fashion_mnist_sample", "other")


@pytest.mark.slow
def test_training_reads_prepared_records_as_it_reads_files():
    batch.prepare("photos", "out")
    from support.models import tiny_vit

    results = keras_vit.train(
        model=tiny_vit(num_classes=2),
        dataset="out",
        folder="run",
        epochs=1,
        batch_size=4,
        export=False,
        verbose=0,
    )
    assert results.evaluation.count == len(data.load("out").test)


@pytest.mark.slow
def test_two_workers_read_different_records():
    from keras_vit.data.pipeline import Shard, training_batches

    batch.prepare("photos", "out")
    train = data.load("out").train
    seen = []
    for first in (0, 1):
        shard = Shard(first, 1, 2)
        stream = training_batches(train, 4, (8, 8), 2, seed=0, shard=shard)
        images = np.concatenate([one[0] for one in stream.take(len(train) // 4)])
        seen.append({image.tobytes() for image in images})
    assert not seen[0] & seen[1] and all(len(one) > 5 for one in seen)


@pytest.mark.slow
def test_a_damaged_index_is_refused():
    batch.prepare("photos", "out")
    pathlib.Path("out/_index/train.npz").write_bytes(b"PK")
    with pytest.raises(OSError, match="Prepare the data set again"):
        data.load("out")


@pytest.mark.slow
def test_the_command_prints_what_inspect_data_prints(capsys):
    from keras_vit.cli.main import main

    assert main(["prepare", "--dataset=photos", "--output=out"]) == 1
    made = capsys.readouterr().out.splitlines()
    assert main(["inspect-data", "--dataset=photos"]) == 1
    assert made[:-1] == capsys.readouterr().out.splitlines()[:-1]
    assert made[-1].startswith("  records    ") and "train 20" in made[-1]
