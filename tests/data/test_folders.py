import os
import pathlib
import re
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vit.data import load
from support.holdout_oracle import chosen_of_class, hash_of


def empty_files(root, *names):
    for name in names:
        path = pathlib.Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(split, root):
    """The paths of a split's images below a folder."""
    paths = [split.name(index) for index in range(len(split))]
    return [str(pathlib.Path(path).relative_to(root)) for path in paths]


def many(folder, count, suffix="jpg"):
    return [f"{folder}/{number}.{suffix}" for number in range(count)]


@pytest.fixture
def folder(tmp_path):
    """Two classes and four sizes of image, some of them PNG."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 2)):
        for name in ("class 10", "class 9"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
                suffix = "png" if number % 2 else "JPG"
                path = tmp_path / split / name / f"{number}.{suffix}"
                Image.fromarray(pixels).save(path, quality=95)
    (tmp_path / "train" / "class 9" / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_of_folders_is_a_data_set(folder):
    dataset = load(str(folder))
    assert dataset.class_names == ("class 9", "class 10")
    assert (len(dataset.train), len(dataset.test)) == (6, 4)
    assert dataset.validation is None
    assert list(dataset.train.labels) == [0, 0, 0, 1, 1, 1]
    for index, label in enumerate(dataset.train.labels):
        path = pathlib.Path(dataset.train.name(index))
        assert path.parent.name == dataset.class_names[label]
    expected = np.asarray(Image.open(dataset.train.name(1)))
    np.testing.assert_array_equal(dataset.train.image(1), expected)


@pytest.mark.parametrize("index", [0, 1])
def test_a_window_of_a_file_is_cut_from_its_image(folder, index):
    """Of a JPEG, of which only the window is decoded, and of a PNG."""
    split = load(str(folder)).train
    whole, seen = split.image(index).astype(int), []

    def window(height, width):
        seen.extend([int(height), int(width)])
        return 4, 8, 10, 12

    cut = split.reader()(tf.constant(index), window).numpy()
    assert seen[:2] == list(whole.shape[:2])
    # A decoder may smooth colours over the edge of what it decodes.
    difference = np.abs(cut.astype(int) - whole[4:14, 8:20])[1:-1, 1:-1]
    assert difference.max() <= (8 if index == 0 else 0)


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Training", "valid", "TEST"),
        ("train", "validation", "test"),
    ],
)
def test_three_splits_are_train_validation_and_test(tmp_path, train, val, test):
    empty_files(tmp_path, f"{train}/a/1.jpg", f"{train}/b/1.jpg", "notes/x.jpg")
    empty_files(tmp_path, f"{val}/a/2.jpg", f"{test}/b/3.jpg")
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b")
    assert names(dataset.train, tmp_path) == [f"{train}/a/1.jpg", f"{train}/b/1.jpg"]
    assert names(dataset.validation, tmp_path) == [f"{val}/a/2.jpg"]
    assert names(dataset.test, tmp_path) == [f"{test}/b/3.jpg"]
    assert list(dataset.test.labels) == [1]


def test_without_splits_the_hash_of_a_path_tells_who_is_tested_on(tmp_path):
    files = many("cat", 30) + many("dog", 30)
    empty_files(tmp_path, *files)
    dataset = load(tmp_path)
    tested = chosen_of_class(many("cat", 30)) | chosen_of_class(many("dog", 30))
    assert {*names(dataset.test, tmp_path)} == tested
    assert {*names(dataset.train, tmp_path)} == {*files} - tested
    for split in (dataset.train, dataset.test):
        for name, label in zip(names(split, tmp_path), split.labels, strict=True):
            assert name.split("/")[0] == dataset.class_names[label]


def test_adding_and_removing_files_moves_no_other_in_large_classes(tmp_path):
    empty_files(tmp_path, *many("cat", 600), *many("dog", 30))
    before = load(tmp_path)
    gone = "cat/7.jpg"
    (tmp_path / gone).unlink()
    empty_files(tmp_path, *many("aardvark", 30), *many("cat/new", 30))
    after = load(tmp_path)
    for split in ("train", "test"):
        was = {*names(getattr(before, split), tmp_path)} - {gone}
        now = {*names(getattr(after, split), tmp_path)}
        assert {n for n in now if "aardvark" not in n and "new" not in n} == was


def test_what_is_hidden_or_no_image_is_passed_over(tmp_path):
    empty_files(tmp_path, *many("a", 20), *many("b", 20))
    clean = load(tmp_path)
    empty_files(tmp_path, "__MACOSX/a/1.jpg", ".git/1.jpg", "a/.DS_Store", "loose.jpg")
    empty_files(tmp_path, "a/._1.jpg", "a/.thumbnails/1.jpg", "b/notes.txt", "b/jpg")
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b")
    for split in ("train", "test"):
        before, now = (names(getattr(d, split), tmp_path) for d in (clean, dataset))
        assert before == now


def test_every_suffix_of_an_image_counts_in_any_case(tmp_path):
    suffixes = ["jpg", "JPEG", "Jfif", "png", "bmp", "webp", "gif", "tif", "TIFF"]
    for split in ("train", "test"):
        empty_files(tmp_path, *(f"{split}/a/1.{suffix}" for suffix in suffixes))
        empty_files(tmp_path, f"{split}/b/1.jpg")
    assert len(load(tmp_path).train) == len(suffixes) + 1


def test_folders_inside_a_class_count_for_it(tmp_path):
    empty_files(tmp_path, "train/a/1.jpg", "train/a/x/2.jpg", "train/a/x/y/3.jpg")
    empty_files(tmp_path, "train/b/folder.jpg/1.jpg", "test/a/1.jpg")
    dataset = load(tmp_path)
    assert list(dataset.train.labels) == [0, 0, 0, 1]
    assert names(dataset.train, tmp_path)[2] == "train/a/x/y/3.jpg"


def test_links_are_followed_but_not_in_circles(tmp_path):
    empty_files(tmp_path, "train/a/1.jpg", "test/a/2.jpg", "elsewhere/deep/3.jpg")
    (tmp_path / "train" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "deep" / "up").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "train" / "a" / "4.jpg").symlink_to(tmp_path / "elsewhere/deep/3.jpg")
    dataset = load(tmp_path)
    expected = ["train/a/1.jpg", "train/a/4.jpg", "train/b/deep/3.jpg"]
    assert names(dataset.train, tmp_path) == expected


def test_names_of_all_scripts_and_of_no_encoding_are_kept(tmp_path):
    odd = os.fsencode(tmp_path) + b"/train/" + "猫".encode() + b"/\xff\xfe.png"
    empty_files(
        tmp_path, "train/猫/ä.jpg", "train/e\u0301te\u0301/1.jpg", "test/été/1.jpg"
    )
    with open(odd, "wb") as file:
        Image.new("RGB", (3, 2), (1, 2, 3)).save(file, "png")
    dataset = load(tmp_path)
    assert dataset.class_names == ("été", "猫")  # composed, though a folder's is not
    assert len(dataset.test) == 1
    assert os.fsencode(dataset.train.name(2)) == odd
    assert (dataset.train.image(2) == [1, 2, 3]).all()


def test_classes_are_in_natural_order(tmp_path):
    given = ["10", "9", "x²", "1a", "01a", "b10", "b9"]
    for split in ("train", "test"):
        empty_files(tmp_path, *(f"{split}/{name}/1.jpg" for name in given))
    expected = ("01a", "1a", "9", "10", "b9", "b10", "x²")
    assert load(tmp_path).class_names == expected


def refused(folder, message):
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train/a/1.jpg"], "has no test split. Expected test/.*folder train/, named"),
        (["train/a/1.jpg", "test/a/2.jpg"], "at least two classes. Received: 'a'"),
        (["x/train/1.jpg", "x/test/2.jpg"], "at least two classes. Received: 'x'"),
        (["test/a/1.jpg", "val/a/1.jpg"], "has no train split"),
        (["train/a/1.jpg", "test/a/x.txt"], "no images in its test split"),
        (["train/a/1.jpg", "train/b/x", "test/a/1.jpg"], "no training image of 'b'"),
        (["train/a/1.jpg", "test/c/1.jpg"], "classes that train lacks: c"),
        (
            ["train/a/1.jpg", "val/a/1", "valid/a/1"],
            "one folder for the validation",
        ),
        (
            ["train/1.jpg", "test/2.jpg"],
            "lie loose in test, train. Move them",
        ),
        (["1.jpg", "2.jpg"], "each class.*Received: none. 2 images lie in it"),
        (["1.jpg"], "each class.*Received: none. 1 image lies in it"),
        ([], "Received: none. Make a folder in it for each class"),
        (["cat/1.jpg"], "Received: 'cat'. Add a folder with images of another class"),
        (
            ["all/cat/1.jpg", "all/dog/1.jpg"],
            "'all'. If the classes are cat, dog, name",
        ),
        (["a/notes.txt", "b/1.jpg"], "no training image of 'a'.*divide them yourself"),
    ],
)
def test_a_folder_that_is_not_so_is_refused(tmp_path, files, message):
    empty_files(tmp_path, *files)
    refused(tmp_path, message)


def test_small_classes_are_trained_and_tested_on_whatever_their_hashes_are(tmp_path):
    low = sorted(many("low", 100), key=hash_of)[:2]
    high = sorted(many("high", 100), key=hash_of)[-2:]
    one = min(many("one", 100), key=hash_of)
    empty_files(tmp_path, *low, *high, one)
    dataset = load(tmp_path)
    assert {*names(dataset.test, tmp_path)} == {low[0], high[0]}
    assert {*names(dataset.train, tmp_path)} == {low[1], high[1], one}


def test_so_few_images_that_none_is_tested_on_are_refused(tmp_path):
    empty_files(tmp_path, "a/1.jpg", "b/1.jpg")
    refused(tmp_path, "no images in its test split.*divide them yourself")


def test_a_class_whose_name_is_no_line_of_text_is_refused(tmp_path):
    empty_files(tmp_path, "train/a\nb/1.jpg", "test/a\nb/1.jpg")
    refused(tmp_path, re.escape(r"must be one line of text in UTF-8. Received: 'a\nb'"))


@pytest.mark.slow
def test_an_index_of_files_takes_few_bytes_for_each(tmp_path):
    count = 20_000
    for number in range(20):
        folder = tmp_path / f"class {number}"
        folder.mkdir()
        for image in range(count // 20):
            os.close(os.open(f"{folder}/{image}.jpg", os.O_CREAT))
    load(tmp_path)
    tracemalloc.start()
    dataset = load(tmp_path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset.train) + len(dataset.test) == count
    longest = len(os.fsencode(tmp_path)) + len("/class 10/100.jpg")
    assert kept < count * (longest + 4 + 16)  # the path, an int32
    assert peak < count * 3 * (longest + 16)


@pytest.mark.parametrize(
    ("train", "test"), [("train", "test"), ("Training", "VAL"), ("train", "valid")]
)
def test_splits_may_lie_inside_the_folder_of_each_class(tmp_path, train, test):
    empty_files(tmp_path, f"a/{train}/1.jpg", f"a/{test}/x/2.jpg", "docs/notes.txt")
    empty_files(tmp_path, f"b/{train}/1.jpg", f"b/{train}/2.jpg", f"b/{test}/3.jpg")
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b")
    assert names(dataset.train, tmp_path) == [
        f"a/{train}/1.jpg",
        f"b/{train}/1.jpg",
        f"b/{train}/2.jpg",
    ]
    assert names(dataset.test, tmp_path) == [f"a/{test}/x/2.jpg", f"b/{test}/3.jpg"]
    assert list(dataset.test.labels) == [0, 1]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("b/1.jpg", "b with images beside them"),
        ("b/more/1.jpg", "b with images in more"),
        ("b/Train/1.jpg", "b with two folders for one split"),
        ("c/1.jpg", "c with images beside them"),
        ("c/test/1.jpg", "test has classes that train lacks: c"),
    ],
)
def test_splits_inside_some_classes_alone_are_refused(tmp_path, extra, message):
    for name in "ab":
        empty_files(tmp_path, f"{name}/train/1.jpg", f"{name}/test/2.jpg")
    load(tmp_path)
    empty_files(tmp_path, extra)
    refused(tmp_path, f"{message}")


def test_a_folder_beside_the_splits_is_told(tmp_path):
    for split in ("train", "test"):
        empty_files(tmp_path, f"{split}/a/1.jpg", f"{split}/b/1.jpg")
    empty_files(tmp_path, "cat/1.jpg")
    assert load(tmp_path).notes == ("cat beside the splits is not read.",)


def test_files_that_are_not_read_are_counted(tmp_path):
    empty_files(tmp_path, *many("a", 12, "dcm"), *many("b", 12, "DCM"))
    refused(tmp_path, "24 files end in .dcm, which are not read")
    empty_files(tmp_path, *many("a", 9), *many("b", 9), "a/1.npy", "b/notes.txt")
    assert load(tmp_path).notes == (
        "24 files end in .dcm, which are not read.",
        "1 file ends in .npy, which is not read.",
    )


def test_one_class_of_files_that_are_not_read_is_refused_with_their_number(tmp_path):
    empty_files(tmp_path, *many(".", 3, "npy"))
    refused(tmp_path, "Received: none. 3 files end in .npy, which are not read")
    empty_files(tmp_path, *many("train", 3, "npy"), *many("test", 3, "npy"))
    refused(tmp_path, "9 files end in .npy, which are not read")


def test_a_pattern_of_paths_keeps_groups_on_one_side(tmp_path):
    files = [f"{c}/p{n % 9}_{n}.jpg" for c in ("a", "b") for n in range(45)]
    empty_files(tmp_path, *files)
    dataset = load(tmp_path, group=r"/(p\d)_")
    sides = [
        {pathlib.Path(name).name[:2] for name in names(part, tmp_path)}
        for part in (
            dataset.test,
            dataset.split("train[:70%]"),
            dataset.split("train[70%:]"),
        )
    ]
    assert all(sides) and sum(map(len, sides)) == 9
    assert {*dataset.train.groups.tolist()} == {n.encode() for n in sides[1] | sides[2]}
    refused_with_group(tmp_path, "finds none in .*a/p0_0.jpg", "patient")
    refused_with_group(tmp_path, "a regular expression", "[")


def refused_with_group(folder, message, group):
    with pytest.raises(ValueError, match=message):
        load(folder, group=group)
