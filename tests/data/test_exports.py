"""Folders and tables as label tools export them, their images being elsewhere."""

import json
import os

import numpy as np
import pytest

from keras_vit.data import load


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def shown(dataset, folder):
    """The classes of each image, by its path below a folder."""
    return {
        os.path.relpath(split.name(index), folder): tuple(
            np.array(dataset.class_names)[np.flatnonzero(label)].tolist()
            if np.ndim(label)
            else [dataset.class_names[label]]
        )
        for split in dataset.splits().values()
        for index, label in enumerate(split.labels)
    }


def refused(path, *words, **options):
    with pytest.raises(ValueError) as error:
        load(path, **options)
    text = str(error.value)
    assert "\n" not in text
    assert not [word for word in words if word not in text], text


# As label-studio-sdk 2.1.2 writes a control called animal.
HEADER = "annotation_id,annotator,animal,created_at,id,image,lead_time,updated_at"
SEVERAL = '"{""choices"":[""cat"",""dog, small""]}"'


def label_studio(folder, paths, labels):
    lines = [
        f"{n},1,{label},2026-01-01,{n},{path},3.2,2026-01-01"
        for n, (path, label) in enumerate(zip(paths, labels, strict=True))
    ]
    return write(folder / "export" / "result.csv", "\n".join([HEADER, *lines]))


UPLOADED = [f"/data/upload/1/{number:08x}-{number}.jpg" for number in range(8)]
LOCAL = [f"/data/local-files/?d=pets/sub%20dir/{number}.jpg" for number in range(8)]


@pytest.mark.parametrize(
    ("paths", "place"),
    [
        (UPLOADED, "media/upload/1/{0:08x}-{0}.jpg"),
        (UPLOADED, "{0:08x}-{0}.jpg"),
        (UPLOADED, "{0}.jpg"),
        (
            [f"https://host:8080{path}" for path in UPLOADED],
            "x/upload/1/{0:08x}-{0}.jpg",
        ),
        (LOCAL, "sub dir/{0}.jpg"),
        ([rf"C:\photos\all\{n}.jpg" for n in range(8)], "all/{0}.jpg"),
    ],
)
def test_images_of_another_machine_are_found_by_the_end_of_their_path(
    tmp_path, paths, place
):
    names = [place.format(number) for number in range(8)]
    files(tmp_path / "media", *names)
    labels = ["cat", '"dog, small"'] * 4
    table = label_studio(tmp_path, paths, labels)
    found = shown(load(table, data_dir=tmp_path / "media"), tmp_path / "media")
    meant = [("cat",), ("dog, small",)] * 4
    assert found == dict(zip(names, meant, strict=True))
    if "{0:08x}" in place:
        files(tmp_path / "media", *(f"elsewhere/{os.path.basename(n)}" for n in names))
    if "upload/1" in place:  # of two files that whose folders are those of the path
        assert (
            shown(load(table, data_dir=tmp_path / "media"), tmp_path / "media") == found
        )
    refused(table, "8 wrong lines", f"no file {paths[0]!r}", "as data_dir")


def test_where_label_studios_images_are_is_asked_for(tmp_path):
    table = label_studio(tmp_path, UPLOADED, ["cat", "dog"] * 4)
    refused(table, "Label Studio's server", "Pass the folder of its media", "export")
    files(tmp_path, "a/0.jpg", "b/0.jpg", *(f"a/{n}.jpg" for n in range(1, 8)))
    refused(table, "1 wrong line", "00000000-0.jpg", data_dir=tmp_path)


def test_one_image_is_not_what_two_paths_mean(tmp_path):
    files(tmp_path, "dog/1.jpg", "cat/2.jpg")
    rows = "path,label\n/old/cat/1.jpg,cat\n/old/dog/1.jpg,dog\n/old/cat/2.jpg,cat\n"
    refused(write(tmp_path / "t.csv", rows), "1 wrong line", "no file '/old/dog/1.jpg'")
    relative = "path,label\ncat/1.jpg,cat\ndog/1.jpg,dog\ncat/2.jpg,cat\n"
    refused(write(tmp_path / "t.csv", relative), "no file 'cat/1.jpg'")


def test_several_choices_in_a_table_are_several_labels_whatever_they_hold(tmp_path):
    files(tmp_path / "export", *(f"{number}.jpg" for number in range(8)))
    labels = ["cat", SEVERAL, "bird; large", ""] * 2
    found = shown(load(label_studio(tmp_path, UPLOADED, labels)), tmp_path / "export")
    meant = [("cat",), ("cat", "dog, small"), ("bird; large",), ()] * 2
    assert found == {f"{n}.jpg": label for n, label in enumerate(meant)}


def coco(images, pairs):
    return {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(images)],
        "annotations": [{"image_id": image, "category_id": c} for image, c in pairs],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


@pytest.mark.parametrize(
    "names",
    [
        ("labels_train", "labels_val", "labels_test"),
        ("instances_train2017", "instances_val2017"),
    ],
)
def test_a_folder_of_coco_is_read_by_its_annotations(tmp_path, names):
    for name in names:
        folder = name.split("_")[1]
        files(tmp_path, *(f"images/{folder}/{number}.jpg" for number in range(3)))
        content = coco(["0.jpg", "1.jpg", "2.jpg"], [(0, 1), (1, 2), (2, 1), (2, 2)])
        write(tmp_path / "annotations" / f"{name}.json", content)
    dataset = load(tmp_path)
    splits = ["train", "validation", "test"] if len(names) == 3 else ["train", "test"]
    assert [*dataset.splits()] == splits
    found = shown(dataset, tmp_path / "images")
    labels = [("cat",), ("dog",), ("cat", "dog")]
    assert found == {
        f"{name.split('_')[1]}/{n}.jpg": labels[n] for name in names for n in range(3)
    }
    one = load(tmp_path / "annotations" / f"{names[0]}.json")
    folder = names[0].split("_")[1]
    assert {*shown(one, tmp_path / "images")} == {f"{folder}/{n}.jpg" for n in range(3)}
    write(tmp_path / "annotations" / "captions.json", {})
    refused(tmp_path, "one .json for each split", "captions.json", "Name the one")


def test_labels_of_fiftyone_are_read(tmp_path):
    files(tmp_path, *(f"data/{number}.jpg" for number in range(8)))
    numbers = {str(number): number % 2 for number in range(8)}
    path = write(
        tmp_path / "labels.json", {"classes": ["dog", "cat"], "labels": numbers}
    )
    expected = {f"data/{n}.jpg": ("cat" if n % 2 else "dog",) for n in range(8)}
    assert shown(load(path), tmp_path) == expected
    words = {
        n: {"label": ["dog", "cat"][k], "confidence": 1} for n, k in numbers.items()
    }
    write(path, {"classes": None, "labels": words | {"9": None}})
    dataset = load(path)
    assert shown(dataset, tmp_path) == expected
    assert "Images without a label are left out: 1." in dataset.notes
    write(path, {"classes": ["dog"], "labels": numbers})
    refused(path, "its number among the 1 classes", "Received: 1 for '1'")


def test_rows_of_automl_are_split_address_and_label(tmp_path):
    files(tmp_path, *(f"{number}.jpg" for number in range(8)))
    words = ["TRAIN", "TRAIN", "VALIDATION", "TEST"] * 2
    rows = [
        f"{word},gs://bucket/pets/{n}.jpg,{'cat' if n % 4 else 'dog'}"
        for n, word in enumerate(words)
    ]
    dataset = load(write(tmp_path / "import.csv", "\n".join(rows)))
    assert {name: len(split) for name, split in dataset.splits().items()} == {
        "train": 4,
        "validation": 2,
        "test": 2,
    }
    assert shown(dataset, tmp_path)["4.jpg"] == ("dog",)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["train_images/1.jpg", "test_images/2.jpg"], ["seem to be splits"]),
        (["bounding_box_train/1.jpg", "bounding_box_val/2.jpg"], ["to be splits"]),
        (
            ["images_001/1.jpg", "images_002/2.jpg", "Data_Entry.csv"],
            ["parts of one set", "name the table", "Data_Entry.csv"],
        ),
        (["HAM_images_part_1/1.jpg", "HAM_images_part_2/1.jpg"], ["parts of one set"]),
        (["images/1.png", "masks/1.png"], ["seem to be images and masks"]),
        (["train/images/1.jpg", "valid/images/1.jpg"], ["at least two classes"]),
        (
            ["train/images/1.jpg", "train/labels/1.txt", "val/images/1.jpg"],
            ["'images', 'labels', which seem to be images and masks, boxes"],
        ),
        (["photos/a/1.jpg", "photos/b/1.jpg"], ["classes are a, b, name the folder"]),
        (
            ["train/a/1.jpg", "train/b/1.jpg", "test/1.jpg"],
            ["no test split: the images in test lie in no folder of a class"],
        ),
        (["images/1.jpg", "train.csv"], ["at least two classes", "train.csv"]),
        (["cat.0.jpg", "dog.0.jpg"], ["2 images lie in it without a class"]),
    ],
)
def test_folders_that_tell_no_classes_are_refused_by_what_they_seem(
    tmp_path, names, words
):
    files(tmp_path, *names)
    refused(tmp_path, *words)


def test_classes_whose_names_are_alike_stay_classes(tmp_path):
    for names in (["steam_train", "old_train"], ["class_1", "class_2"], ["1", "2"]):
        files(tmp_path / names[0], *(f"{n}/{k}.jpg" for n in names for k in "ab"))
        assert load(tmp_path / names[0]).class_names == tuple(sorted(names))


def test_a_list_of_paths_and_numbers_is_named_as_such(tmp_path):
    files(tmp_path, "images/1.jpg")
    write(tmp_path / "train.txt", "1.jpg 0\n")
    refused(tmp_path, "Lists such as train.txt are not read", "path, label and split")


def test_a_table_of_pixels_is_refused_in_few_words(tmp_path):
    path = write(tmp_path / "t.csv", "\n".join([",".join(map(str, range(785)))] * 2))
    refused(path, "and 765 more")


def test_one_split_with_a_table_says_that_the_table_can_be_named(tmp_path):
    files(tmp_path, *(f"train/{number}.jpg" for number in range(8)))
    rows = [f"{n}.jpg,{'cat' if n % 2 else 'dog'}" for n in range(8)]
    table = write(
        tmp_path / "train/metadata.csv", "\n".join(["file_name,label", *rows])
    )
    refused(tmp_path, "has no test split", f"Of the table {table} alone")
    assert {*load(table).splits()} == {"train", "test"}


def test_thumbnails_of_systems_are_no_images(tmp_path):
    for system in ("@eaDir", "__MACOSX", "$RECYCLE.BIN", ".ipynb_checkpoints"):
        files(tmp_path, *(f"{name}/{system}/1.jpg" for name in "ab"))
    files(tmp_path, *(f"{name}/{number}.jpg" for name in "ab" for number in "12"))
    assert len(shown(load(tmp_path), tmp_path)) == 4
    table = write(tmp_path / "t.csv", "id,label\n1,a\n2,b\n")
    refused(table, "no file '1', but two below", "a/1.jpg and", "b/1.jpg")


def test_images_without_a_split_of_google_are_divided_if_all_are(tmp_path):
    files(tmp_path, *(f"{number}.jpg" for number in range(8)))
    rows = [f"UNASSIGNED,{n}.jpg,{'cat' if n % 2 else 'dog'}" for n in range(8)]
    table = write(tmp_path / "t.csv", "\n".join(rows))
    assert {*load(table).splits()} == {"train", "test"}
    write(table, "\n".join([*rows[1:], rows[0].replace("UNASSIGNED", "TRAIN")]))
    refused(table, "7 wrong lines", "split 'UNASSIGNED'")


def test_columns_of_minus_one_are_refused_for_what_that_may_mean(tmp_path):
    rows = "image_id,a,b\n1.jpg,1,-1\n2.jpg,-1,1\n"
    refused(write(tmp_path / "t.csv", rows), "-1 in b", "(CelebA)", "(CheXpert)")


def test_labels_that_are_put_together_of_others_are_told(tmp_path):
    files(tmp_path, *(f"{number}.jpg" for number in range(12)))
    labels = ["scab", "rust", "scab rust", "black rot"] * 3
    rows = [f"{number}.jpg,{label}" for number, label in enumerate(labels)]
    notes = load(write(tmp_path / "t.csv", "\n".join(["image,labels", *rows]))).notes
    assert "such as 'scab rust' seem to be several labels each" in notes[0]
