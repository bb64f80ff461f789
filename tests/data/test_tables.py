import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from keras_vit.data import load
from support.holdout_oracle import chosen_of_class

SPLITS = ("train", "train", "validation", "test", "test", "train")
IMAGES = tuple(f"images/{number}.png" for number in range(6))


@pytest.fixture(autouse=True)
def folder(tmp_path):
    """Where a table lies beside six images, each of another colour."""
    (tmp_path / "images").mkdir()
    for number, name in enumerate(IMAGES):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(tmp_path / name)
    return tmp_path


def csv_table(folder, *rows, encoding="utf-8", name="labels.csv"):
    (folder / name).write_text("".join(f"{row}\n" for row in rows), encoding)
    return folder / name


def jsonl_table(folder, *rows):
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "labels.jsonl").write_text(text, "utf-8")
    return folder / "labels.jsonl"


def shown(dataset, folder):
    """For each split the pairs of path, below a folder, and label."""
    return {
        name: [
            (os.path.relpath(split.name(index), folder), np.array(label).tolist())
            for index, label in enumerate(split.labels)
        ]
        for name, split in dataset.splits().items()
    }


def expected(labels):
    found = {split: [] for split in ("train", "validation", "test")}
    for name, split, label in zip(IMAGES, SPLITS, labels, strict=True):
        found[split].append((name, label))
    return found


NAMED = ("class 9", "class 10", "class 9", "class 10", "class 9", "class 9")


@pytest.mark.parametrize("path", ["path", "FILE", "file_name", "image", "image_path"])
@pytest.mark.parametrize("label", ["label", "Class", "target", "category"])
def test_columns_are_found_by_their_names(folder, path, label):
    rows = zip(NAMED, SPLITS, IMAGES, strict=True)
    header = f"{label},width, Split,{path}"
    table = csv_table(folder, header, *(f"{a},7,{b},{c}" for a, b, c in rows))
    dataset = load(table)
    assert (dataset.name, dataset.class_names) == ("labels", ("class 9", "class 10"))
    assert shown(dataset, folder) == expected([0, 1, 0, 1, 0, 0])
    assert dataset.test.image(0)[0, 0].tolist() == [3, 0, 0]


def test_keys_of_json_are_found_by_their_names(folder):
    keys = ("file_name", "label", "subset", "more")
    rows = zip(IMAGES, NAMED, SPLITS, range(6), strict=True)
    table = jsonl_table(folder, *(dict(zip(keys, row, strict=True)) for row in rows))
    assert shown(load(table), folder) == expected([0, 1, 0, 1, 0, 0])


@pytest.mark.parametrize(
    "header", ["path,label", "img,y", "label,img", "y,image", "", "split,a,b"]
)
def test_two_columns_are_path_and_label_and_may_have_no_header(folder, header):
    def row(image, label, split):
        row = [label, image] if header in ("label,img", "y,image") else [image, label]
        return ",".join([split, *row] if "split" in header else row)

    rows = [row(*one) for one in zip(IMAGES, NAMED, SPLITS, strict=True)]
    rows += [row(name, "class 9", "train") for name in many(folder, 30)]
    dataset = load(csv_table(folder, *([header] if header else []), *rows))
    assert dataset.class_names == ("class 9", "class 10")
    found = {name for pairs in shown(dataset, folder).values() for name, _ in pairs}
    assert found == {*IMAGES, *many(folder, 30)}


def many(folder, count):
    """More files, for shares."""
    names = [f"more/{number}.jpg" for number in range(count)]
    (folder / "more").mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return names


@pytest.mark.parametrize("absolute", [False, True])
def test_without_a_split_column_the_hash_of_a_path_decides(folder, absolute):
    names = many(folder, 50)
    tested = chosen_of_class(names)
    written = [str(folder / name) if absolute else f"./{name}" for name in names]
    dataset = load(csv_table(folder, "path,label", *(f"{n},cat" for n in written)))
    found = shown(dataset, folder)
    assert {name for name, _ in found["test"]} == tested
    assert len(found["train"]) + len(found["test"]) == 50


def test_a_table_of_a_folder_divides_as_the_folder_does(folder):
    for name in ("cat", "dog"):
        (folder / "pets" / name).mkdir(parents=True)
        for number in range(20):
            (folder / "pets" / name / f"{number}.jpg").touch()
    rows = [f"{c}/{n}.jpg,{c}" for c in ("cat", "dog") for n in range(20)]
    table = csv_table(folder / "pets", "file,label", *rows)
    ours, theirs = (shown(load(one), folder) for one in (table, folder / "pets"))
    assert {k: {*v} for k, v in ours.items()} == {k: {*v} for k, v in theirs.items()}


def table_of(folder, *labels, splits=SPLITS):
    rows = (f"{a},{b},{c}" for a, b, c in zip(IMAGES, labels, splits, strict=True))
    return csv_table(folder, "path,label,split", *rows)


def test_integers_are_the_numbers_of_classes(folder):
    dataset = load(table_of(folder, 2, 10, 2, 2, 10, 0))
    assert dataset.class_names == tuple(map(str, range(11)))
    assert list(dataset.train.labels) == [2, 10, 0]


def test_integers_with_leading_zeros_are_names(folder):
    dataset = load(table_of(folder, "01", 2, "01", 2, "01", 10))
    assert dataset.class_names == ("01", "2", "10")


@pytest.mark.parametrize("labels", [(0, -1, 0, 0, 0, 0), (1999, 2026) * 3])
def test_integers_that_are_no_class_numbers_are_refused(folder, labels):
    with pytest.raises(ValueError, match="from 0. Received: 2 different ones from"):
        load(table_of(folder, *labels))


@pytest.mark.parametrize("separator", ";|")
def test_several_labels_become_zeros_and_ones(folder, separator):
    labels = ["cat", f"dog{separator} bird", "", f"cat{separator}dog", "bird", "dog"]
    dataset = load(table_of(folder, *labels))
    assert dataset.class_names == ("bird", "cat", "dog")
    rows = [[0, 1, 0], [1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]]
    assert shown(dataset, folder) == expected(rows)


def test_lists_in_json_are_several_labels(folder):
    labels = [[0], [2, 1], [], [0, 2], 1, [2]]
    rows = [
        {"path": path, "labels": label, "split": split}
        for path, label, split in zip(IMAGES, labels, SPLITS, strict=True)
    ]
    dataset = load(jsonl_table(folder, *rows))
    assert dataset.class_names == ("0", "1", "2")
    rows = [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1]]
    assert shown(dataset, folder) == expected(rows)


def test_two_separators_are_refused(folder):
    with pytest.raises(ValueError, match=r"both ; and \| in .* Use one"):
        load(table_of(folder, "a;b", "a|b", "a", "a", "a", "b"))


def test_quotes_marks_and_scripts_are_read(folder):
    odd = 'a "b", ä\n猫.png'
    (folder / odd).touch()
    quoted = '"a ""b"", ä\n猫.png","猫, gross",train'
    rows = ["path,label,split", quoted, f'{IMAGES[0]},"猫, gross",test', "", ",,"]
    dataset = load(csv_table(folder, *rows, encoding="utf-8-sig"))
    assert dataset.class_names == ("猫, gross",)
    assert shown(dataset, folder)["train"] == [(odd, 0)]


def test_slashes_of_windows_are_understood(folder):
    rows = (f"images\\{n}.png,a,{s}" for n, s in enumerate(SPLITS))
    dataset = load(csv_table(folder, "path,label,split", *rows))
    assert shown(dataset, folder) == expected([0] * 6)


def refused(table, message):
    with pytest.raises(ValueError, match=message) as error:
        load(table)
    return str(error.value)


def test_lines_that_are_wrong_are_named(folder):
    rows = [
        *("path,label,split", f"{IMAGES[0]},cat,train", "gone.png,cat,train"),
        *(",cat,test", f"{IMAGES[1]},,test", f"{IMAGES[2]},cat,test"),
    ]
    text = refused(csv_table(folder, *rows), "has 3 wrong lines")
    for one in ("line 3: no file 'gone.png'", "line 4: no path", "line 5: no label"):
        assert one in text
    assert "..." not in text


def test_of_many_wrong_lines_the_first_five_are_named(folder):
    rows = [f"gone{number}.png,cat,train" for number in range(100)] + ["a", "b"]
    text = refused(csv_table(folder, "path,label,split", *rows), "102 wrong lines")
    assert re.findall(r"line (\d+)", text) == ["2", "3", "4", "5", "6"]
    assert "; ... Files were sought in" in text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("images/0.png,cat", "line 2: expected 3 fields, received 2"),
        ("images/0.png,cat,later", "split 'later', expected train, validation or test"),
        ("images/0.png,cat,", "split ''"),
        ("images,cat,train", "no file 'images'"),
    ],
)
def test_a_wrong_row_is_refused(folder, row, message):
    refused(csv_table(folder, "path,label,split", row), message)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("./images/0.png,dog,train", "has another label than in line 2"),
        ("images/0.png,cat,test", "in another split than in line 2"),
    ],
)
def test_an_image_that_is_two_things_is_refused(folder, second, message):
    rows = ["images/0.png,cat,train", second, "images/1.png,cat,test"]
    refused(csv_table(folder, "path,label,split", *rows), f"line 3: .*{message}")


def test_a_row_may_be_there_twice(folder):
    rows = ["images/0.png,cat,train"] * 2 + ["images/1.png,cat,test"]
    assert len(load(csv_table(folder, "path,label,split", *rows)).train) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: no JSON"),
        ("[1, 2]", "expected an object, received \\[1, 2\\]"),
        ('{"path": 1, "label": "a"}', "expected text for 'path', received 1"),
        ('{"path": "images/0.png"}', "for 'label', received None"),
        ('{"path": "images/0.png", "label": 1.5}', "an integer.*received 1.5"),
        ('{"path": "images/0.png", "label": [true]}', r"received \[True\]"),
        ('{"path": "images/0.png", "label": {"a": 1}}', "received {'a': 1}"),
        ('{"path": "images/0.png", "label": ""}', "no label"),
    ],
)
def test_a_wrong_line_of_json_is_refused(folder, line, message):
    good = '{"path": "images/0.png", "label": "a"}'
    (folder / "labels.jsonl").write_text(f"{good}\n{line}\n")
    refused(folder / "labels.jsonl", f"1 wrong line: .*{message}")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "expected one column for the path .*Received: nothing"),
        (["path,label,split"], "has no rows"),
        (["path;label"], "has no rows"),
        (["path|label"], r"Received: path\|label"),
        (["a,b,c", "1,2,3"], r"path \(path, file.*category.*Received: a, b, c"),
        (["path,file,label", "1,2,3"], "Received: path, file, label"),
        (["path,label,split", "images/0.png,a,train"], "no test split"),
        (["path,label,split", "images/0.png,a,test"], "no train split"),
    ],
)
def test_a_table_that_is_not_so_is_refused(folder, rows, message):
    refused(csv_table(folder, *rows), message)


def test_a_table_that_is_not_utf8_is_refused(folder):
    rows = ["path,label", "images/0.png,Käfer"]
    refused(csv_table(folder, *rows, encoding="latin-1"), "is not UTF-8.*Save it as")


@pytest.mark.parametrize("label", ["dog", "dog;cat"])
def test_a_class_that_is_only_tested_on_is_refused(folder, label):
    table = table_of(folder, "cat", "cat", "cat", "cat", label, "cat")
    refused(table, "no training image of 'dog'. Add some")
