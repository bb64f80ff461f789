"""What an inspection says of a folder, against what was put into it."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_vit.data import Dataset, Files, Split, images, load
from keras_vit.data import inspection as module
from keras_vit.data.images import UnreadableImageError
from keras_vit.data.inspection import (
    copies,
    inspection,
    reading,
    report,
    scanning,
)
from keras_vit.data.inspection.copies import Leak
from keras_vit.data.labelled import Labelled

LIMIT = 5_000  # pixels


def noise(seed, width, height, mode="RGB"):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def make_folder(folder):
    """Eight readable images in train, three in test; three are not readable."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
    cat, dog = folder / "train" / "cat", folder / "train" / "dog"
    noise(0, 40, 30).save(cat / "a.png")
    shutil.copy(cat / "a.png", cat / "again.png")
    noise(1, 40, 30).save(cat / "b.jpg")
    noise(2, 20, 10, "L").save(cat / "grey.png")
    noise(3, 40, 30, "CMYK").save(cat / "press.jpg")
    noise(7, 21, 10, "P").save(cat / "palette.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(4, 50, 10).save(cat / "turned.jpg", exif=exif)
    shutil.copy(cat / "b.jpg", dog / "also b.jpg")
    whole = dog / "cut.jpg"
    noise(5, 60, 60).save(whole)
    whole.write_bytes(whole.read_bytes()[:-1000])
    (dog / "text.png").write_text("no image")
    Image.new("1", (100, 51)).save(dog / "vast.png")
    shutil.copy(cat / "a.png", folder / "test" / "cat" / "known.png")
    noise(6, 40, 30).save(folder / "test" / "cat" / "new.png")
    noise(8, 40, 30).save(folder / "test" / "dog" / "new.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("made") / "pets")


def inspect(dataset, *arguments, **options):
    """Inspects a data set; of a folder's files, with a low limit."""
    if isinstance(dataset, pathlib.Path):
        dataset = load(dataset, max_pixels=LIMIT)
    return module.inspect(dataset, *arguments, **options)


@pytest.fixture
def found(folder):
    return inspect(folder)


def test_images_are_counted_by_split_and_class(found):
    assert found.class_names == ("cat", "dog")
    train, test = found.splits["train"], found.splits["test"]
    assert (train.images, train.inspected, train.readable) == (11, 11, 8)
    assert (test.images, test.inspected, test.readable) == (3, 3, 3)
    assert (train.classes, test.classes) == ((7, 4), (2, 1))
    assert found.complete


def test_sizes_are_those_of_readable_images(found):
    train = found.splits["train"]
    assert train.width == (20, 40, 50)
    assert train.height == (10, 30, 30)
    assert train.distinct_sizes == 4
    assert train.commonest_sizes[0] == (40, 30, 5)
    assert set(train.commonest_sizes[1:]) == {(20, 10, 1), (21, 10, 1), (50, 10, 1)}


def test_formats_modes_and_turned_images_are_counted(found):
    train = found.splits["train"]
    assert train.formats == {"JPEG": 4, "PNG": 4}
    assert train.modes == {"RGB": 5, "L": 1, "CMYK": 1, "P": 1}
    assert (train.turned, found.splits["test"].turned) == (1, 0)


def test_copies_are_found_within_a_split_and_across(found):
    copies = found.copies
    assert copies.within == {"train": 2, "test": 0}
    assert copies.leaks == (Leak("test", "train", 1),)
    groups = {
        frozenset((one.split, one.name.split("/")[-1], one.classes) for one in group)
        for group in copies.groups
    }
    assert groups == {
        frozenset(
            {
                ("train", "a.png", ("cat",)),
                ("train", "again.png", ("cat",)),
                ("test", "known.png", ("cat",)),
            }
        ),
        frozenset(
            {("train", "b.jpg", ("cat",)), ("train", "also b.jpg", ("dog",))},
        ),
    }
    assert copies.conflicts == 1
    assert not found.sound


def test_an_image_that_cannot_be_read_is_named_with_the_reason(found, folder):
    reasons = {one.place.name: one.reason for one in found.unreadable}
    dog = folder / "train" / "dog"
    assert set(reasons) == {str(dog / n) for n in ("cut.jpg", "text.png", "vast.png")}
    assert "truncated" in reasons[str(dog / "cut.jpg")]
    assert "no image" in reasons[str(dog / "text.png")]
    assert "100 x 51 pixels, more than the limit" in reasons[str(dog / "vast.png")]
    assert found.splits["train"].too_large == 1
    assert {one.place.classes for one in found.unreadable} == {("dog",)}


def test_the_findings_say_what_it_means_for_training(found):
    leak, unreadable, conflict, repeats, few, few_tested, slender = found.findings
    assert leak.startswith("1 image of test is in train too")
    assert unreadable.startswith("3 images of train (27.3 %) cannot be read, 1 of them")
    assert "Training would end: it bears 1 %" in unreadable
    assert conflict.startswith("1 image is there more than once, with different")
    assert repeats.startswith("2 images of train repeat another")
    assert few == "train has fewer than 10 images of cat, dog."
    assert few_tested.startswith("test has fewer than 10 images of cat")
    assert slender.startswith("1 image is more than 4 times as long as wide")


def test_classes_without_images_and_unequal_ones_are_findings():
    labels = np.repeat([0, 1], [100, 10])
    pixels = np.random.default_rng(0).integers(0, 256, (110, 4, 4, 3), np.uint8)
    test = Split(255 - pixels[:1], np.array([0]))
    found = inspect(Dataset("d", Split(pixels, labels), test, ("a", "b", "c")))
    lacking, not_tested, few_tested, unequal = found.findings
    assert few_tested.startswith("test has fewer than 10 images of a: ")
    assert lacking.startswith("train has no image of c")
    assert not_tested.startswith("test has no image of b, c")
    assert "10 times as many images as the smallest (100 and 10)" in unequal


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.97, 0.999, 1])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_readable_where_decoding_all_of_it_succeeds(
    share, progressive, tmp_path
):
    path = tmp_path / "a.jpg"
    noise(0, 64, 48).save(path, progressive=progressive)
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data))])
    try:
        images.read_image(path)
        readable = True
    except UnreadableImageError:
        readable = False
    assert (reading.facts_of_file(path).error == "") == readable


def test_pixels_of_arrays_are_compared(rng):
    pixels = rng.integers(0, 256, (6, 8, 12, 3), np.uint8)
    pixels[4] = pixels[1]
    pixels[2] = pixels[2, ..., :1]
    train = Split(pixels, np.array([0, 1, 0, 1, 0, 1]))
    test = Split(pixels[[0, 1]] // 2, np.array([0, 1]))
    validation = Split(pixels[[3, 5]], np.array([1, 1]))
    found = inspect(Dataset("arrays", train, test, ("a", "b"), validation))
    assert found.splits["train"].width == (12, 12, 12)
    assert found.splits["train"].height == (8, 8, 8)
    assert found.splits["train"].formats == {}
    assert found.splits["train"].modes == {"RGB": 5, "grey as RGB": 1}
    assert found.copies.leaks == (Leak("validation", "train", 2),)
    assert found.copies.conflicts == 1
    assert found.copies.within == {"train": 1, "validation": 0, "test": 0}


def test_images_of_several_classes_count_for_each(rng):
    pixels = rng.integers(0, 256, (3, 4, 4, 3), np.uint8)
    pixels[2] = pixels[1]
    labels = np.array([[1, 0, 1], [1, 1, 0], [1, 1, 0]])
    found = inspect(
        Dataset(
            "d", Split(pixels, labels), Split(pixels[:1] // 2, labels[:1]), (*"abc",)
        )
    )
    assert found.splits["train"].classes == (3, 2, 1)
    assert [place.classes for place in found.copies.groups[0]] == [("a", "b")] * 2
    assert found.copies.conflicts == 0


class Told(Labelled):
    """A split of another kind, whose second image is damaged."""

    labels = np.array([0, 1, 0])

    def name(self, index):
        return f"record {index}"

    def image(self, index):
        if index == 1:
            raise UnreadableImageError("record 1: not a readable image (cut)")
        return np.full((2, 3, 3), index, np.uint8)


def test_any_split_can_be_inspected(tmp_path):
    found = inspect(Dataset("told", Told(), Told(), ("a", "b")), tmp_path)
    assert found.splits["train"].readable == 2
    assert found.copies.leaks == (Leak("test", "train", 2),)
    assert [(one.place.split, one.place.name) for one in found.unreadable] == [
        ("train", "record 1"),
        ("test", "record 1"),
    ]
    assert (tmp_path / "contact_sheet.png").is_file()


def test_a_share_is_drawn_by_the_seed_and_said_to_be_one(folder, monkeypatch):
    read = []

    def facts_of(split, index):
        read.append(split.name(index))
        return reading.facts_of(split, index)

    monkeypatch.setattr(scanning, "facts_of", facts_of)
    found = inspect(folder, limit=4)
    assert [one.inspected for one in found.splits.values()] == [4, 3]
    assert [one.images for one in found.splits.values()] == [11, 3]
    assert not found.complete
    first = sorted(read)
    assert len({*first}) == 7
    read.clear()
    inspect(folder, limit=4)
    assert sorted(read) == first
    read.clear()
    inspect(folder, limit=4, seed=1)
    assert sorted(read) != first


def test_nothing_is_wrong_with_the_sample():
    found = inspect("fashion_mnist_sample", limit=200)
    assert found.sound
    assert found.findings == ()


def test_the_report_is_written_and_replaced(folder, tmp_path):
    found = inspect(folder, tmp_path / "a" / "b")
    written = tmp_path / "a" / "b"
    names = {one.name for one in written.iterdir()}
    assert names == {*report.FILES}
    numbers = json.loads((written / "report.json").read_text())
    assert numbers["splits"]["train"]["classes"] == [7, 4]
    assert numbers["copies"]["leaks"] == [
        {"split": "test", "other": "train", "images": 1}
    ]
    assert numbers["sound"] is False
    lines = (written / "unreadable.txt").read_text().splitlines()
    assert lines == [f"{one.place.name}: {one.reason}" for one in found.unreadable]
    for name in ("contact_sheet.png", "histograms.png"):
        Image.open(written / name).load()
    inspect("fashion_mnist_sample", written, limit=20)
    assert {one.name for one in written.iterdir()} == names - {"unreadable.txt"}
    assert json.loads((written / "report.json").read_text())["sound"]


def test_an_interrupted_inspection_leaves_nothing(folder, tmp_path, monkeypatch):
    def facts_of(split, index):
        if index == 2:
            raise KeyboardInterrupt
        return reading.facts_of(split, index)

    monkeypatch.setattr(scanning, "facts_of", facts_of)
    with pytest.raises(KeyboardInterrupt):
        inspect(folder, tmp_path / "report")
    assert not [*tmp_path.iterdir()]


def test_after_an_interruption_no_more_images_are_read(rng, monkeypatch):
    read = []

    def facts_of(split, index):
        read.append(index)
        return reading.facts_of(split, index)

    def progress(count):
        raise KeyboardInterrupt

    monkeypatch.setattr(scanning, "facts_of", facts_of)
    split = Split(np.zeros((50_000, 1, 1, 3), np.uint8), np.zeros(50_000, np.int32))
    with pytest.raises(KeyboardInterrupt):
        scanning.scan(split, np.arange(50_000), progress)
    assert len(read) < 50_000


def test_what_cannot_be_done_is_refused_before_an_image_is_read(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(scanning, "facts_of", None)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is not a folder"):
        inspect(folder, tmp_path / "file" / "report")
    with pytest.raises(ValueError, match="limit must be at least 1. Received: 0"):
        inspect(folder, limit=0)
    with pytest.raises(ValueError, match="non-negative"):
        inspect(folder, seed=-1)


def test_damaged_exif_data_hide_no_image(tmp_path):
    odd = tmp_path / "odd.jpg"
    noise(9, 20, 10).save(odd, exif=b"Exif\0\0no TIFF header")
    assert reading.facts_of_file(odd).error == ""


def test_an_image_that_is_gone_when_it_is_to_be_shown_stops_no_report(
    folder, tmp_path, monkeypatch
):
    def find_copies(dataset, scans):
        shutil.move(folder / "train" / "dog", tmp_path / "dog")
        return copies.find_copies(dataset, scans)

    monkeypatch.setattr(inspection, "find_copies", find_copies)
    inspect(folder, tmp_path / "report")
    shutil.move(tmp_path / "dog", folder / "train" / "dog")
    assert (tmp_path / "report" / "report.json").is_file()


def test_pictures_are_chosen_by_the_seed_among_readable_images(folder):
    dataset = load(folder, max_pixels=LIMIT)
    scan = scanning.scan(dataset.train, np.arange(11), lambda count: None)
    labels = dataset.train.labels
    first = report.chosen(labels, scan, 0, 3, 0)
    assert len({*first}) == 3
    assert (labels[first] == 0).all()
    assert (report.chosen(labels, scan, 0, 3, 0) == first).all()
    others = {tuple(report.chosen(labels, scan, 0, 3, seed)) for seed in range(9)}
    assert len(others) > 1
    (only,) = report.chosen(labels, scan, 1, 3, 0)
    assert dataset.train.name(only).endswith("also b.jpg")


def test_a_thumbnail_keeps_the_proportions(rng):
    pixels = rng.integers(0, 256, (1, 8, 12, 3), np.uint8)
    small = Split(pixels, np.array([0]))
    larger = reading.thumbnail(small, 0, 30)
    np.testing.assert_array_equal(larger, pixels[0].repeat(2, 0).repeat(2, 1))
    assert reading.thumbnail(small, 0, 6).shape == (4, 6, 3)


@pytest.mark.parametrize("kind", ["pipe", "bytes", "32 bits"])
def test_what_training_refuses_is_unreadable_here_too(tmp_path, monkeypatch, kind):
    path = tmp_path / "image.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "bytes":
        noise(0, 20, 10).save(path)
        monkeypatch.setattr(images, "MOST_BYTES", path.stat().st_size - 1)
    else:
        Image.new("F", (20, 10)).save(path, "TIFF")
    with pytest.raises(UnreadableImageError):
        Files([path], np.array([0])).image(0)
    assert reading.facts_of_file(str(path)).error


def test_a_group_on_both_sides_is_a_finding(tmp_path):
    rng = np.random.default_rng(0)
    for split, patients in (("train", "123"), ("test", "345")):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for patient in patients:
                pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
                path = tmp_path / split / name / f"p{patient}.png"
                Image.fromarray(pixels).save(path)
    found = inspect(load(tmp_path, group=r"p\d"))
    assert found.findings[0].startswith(
        "1 group has images both in train and in test (p3): what is measured on test"
    )
    assert not any("group" in one for one in inspect(tmp_path).findings)


def test_one_class_and_what_reading_told_are_findings():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 4, 4, 3), np.uint8)
    splits = [Split(pixels[a:b], np.zeros(12, int)) for a, b in ((0, 12), (12, 24))]
    found = inspect(Dataset("d", *splits, ("cat",), notes=("Read so.",)))
    assert found.findings == (
        "All images of train show 'cat': there is nothing to tell apart.",
        "Read so.",
    )
