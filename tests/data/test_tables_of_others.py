"""Tables as pandas, Excel, fastai, Roboflow, COCO, Label Studio and NIH write them."""

import csv
import json
import os

import numpy as np
import pytest

from keras_vit.data import load
from support.holdout_oracle import chosen_of_class


@pytest.fixture(autouse=True)
def folder(tmp_path):
    """Sixty files, called as images are: ids in two folders."""
    for number in range(60):
        part = tmp_path / f"part_{number % 2}"
        part.mkdir(exist_ok=True)
        (part / f"id{number:02}.jpg").touch()
    return tmp_path


IDS = [f"id{number:02}" for number in range(60)]
LABELS = ["cat" if number % 3 else "dog" for number in range(60)]


def table(folder, header, *columns, name="t.csv", encoding="utf-8", **dialect):
    with open(folder / name, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, **dialect)
        writer.writerows([header.split(","), *zip(*columns, strict=True)])
    return folder / name


def shown(split, class_names):
    """The classes of each id in a split: a name, or several."""
    found = {}
    for index, label in enumerate(split.labels):
        name = os.path.splitext(os.path.basename(split.name(index)))[0]
        several = np.ndim(label)
        found[name] = (
            tuple(np.array(class_names)[np.array(label) == 1].tolist())
            if several
            else class_names[label]
        )
    return found


def all_shown(dataset):
    splits = dataset.splits().values()
    return {k: v for one in splits for k, v in shown(one, dataset.class_names).items()}


def expect(dataset, labels=LABELS, ids=IDS):
    assert all_shown(dataset) == dict(zip(ids, labels, strict=True))


def refused(path, *words, **options):
    with pytest.raises(ValueError) as error:
        load(path, **options)
    text = str(error.value)
    assert "\n" not in text
    assert not [word for word in words if word not in text], text


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter"),
    [
        ("t.csv", "utf-8-sig", ";"),
        ("t.csv", "utf-8", "\t"),
        ("t.tsv", "utf-16", "\t"),
        ("t.csv", "utf-16", ","),
    ],
)
@pytest.mark.parametrize("header", ["image_id,label", "Datei,Größe"])
def test_tables_of_excel_are_read(folder, name, encoding, delimiter, header):
    how = {"name": name, "encoding": encoding, "delimiter": delimiter}
    expect(load(table(folder, header, IDS, LABELS, **how)))


def test_what_excel_says_of_its_separator_is_heeded(folder):
    path = table(folder, "image,label", IDS, LABELS, delimiter="|")
    path.write_text("sep=|\n" + path.read_text())
    expect(load(path))
    path.write_text(path.read_text() + "gone|cat\n")
    refused(path, "line 63: no file 'gone'")


def test_labels_with_semicolons_between_commas_stay_several_labels(folder):
    labels = ["a; b" if number % 2 else "a" for number in range(60)]
    dataset = load(table(folder, "image,label", IDS, labels))
    expect(dataset, [("a", "b") if number % 2 else ("a",) for number in range(60)])


def test_the_index_that_pandas_writes_is_no_column(folder):
    dataset = load(table(folder, ",photo,kind", range(60), IDS, LABELS))
    expect(dataset)
    assert not any("not used" in note for note in dataset.notes)


def test_ids_are_found_by_suffix_and_below_the_table(folder):
    (folder / "here").mkdir()
    (folder / "here" / "x.PNG").touch()
    ids = [*IDS, "here/x"]
    dataset = load(table(folder, "id,label", ids, [*LABELS, "cat"]))
    expect(dataset, [*LABELS, "cat"], [*IDS, "x"])
    assert any("'id00' at 'part_0/id00.jpg'" in note for note in dataset.notes)


def test_a_name_that_is_there_twice_below_is_no_file(folder):
    (folder / "part_1" / "id00.jpg").touch()
    refused(table(folder, "id,label", IDS, LABELS), "1 wrong line", "no file 'id00'")


def test_a_suffix_is_added_where_it_is_asked_for(folder):
    for name in IDS:
        (folder / f"{name}.png").touch()
        (folder / f"{name}.jpg").touch()
    path = table(folder, "id,label", IDS, LABELS)
    for suffix in (".png", "png"):
        split = load(path, suffix=suffix).train
        assert {split.name(n)[-4:] for n in range(len(split))} == {".png"}
    refused(path, "no file", suffix=".tif")


def test_columns_may_be_named_and_those_not_used_are_told(folder):
    lesions = [f"HAM_{number // 5}" for number in range(60)]
    path = table(
        folder, "lesion_id,image_id,dx,dx_type,age", lesions, IDS, LABELS, LABELS, IDS
    )
    refused(path, "--label_column", "Received: lesion_id, image_id, dx")
    dataset = load(path, label_column="dx")
    expect(dataset)
    assert "not used: lesion_id, dx_type, age. group='lesion_id'" in dataset.notes[0]
    expect(load(path, image_column="Image ID", label_column="dx"))
    refused(path, "label_column must be one of its columns", label_column="dy")
    refused(path, "image_column must be one of", image_column="img", label_column="dx")


def test_a_group_is_on_one_side_in_test_share_and_in_shares_of_training(folder):
    patients = np.random.default_rng(0).integers(0, 14, 60)
    path = table(folder, "image,label,Patient ID", IDS, LABELS, patients)
    dataset = load(path, group="Patient ID")
    expect(dataset)
    of_id = dict(zip(IDS, patients.tolist(), strict=True))
    sides = [
        {of_id[one] for one in shown(part, dataset.class_names)}
        for part in (
            dataset.test,
            dataset.split("train[:80%]"),
            dataset.split("train[80%:]"),
        )
    ]
    assert all(sides)
    assert sum(map(len, sides)) == len({*patients.tolist()})
    whole = len(dataset.split("train[:80%]")) + len(dataset.split("train[80%:]"))
    assert whole == len(dataset.train)
    refused(path, "group must be one of its columns", group="patient_number")
    by_name = load(path, group=r"id\d(\d)\.")
    digits = [
        {one[-1] for one in shown(s, by_name.class_names)}
        for s in (by_name.train, by_name.test)
    ]
    assert digits[0].isdisjoint(digits[1])


def test_groups_that_are_all_of_a_class_are_refused(folder):
    path = table(folder, "image,label,site", IDS, LABELS, LABELS)
    refused(path, "2 groups (cat, dog)", "each alone in its classes", group="site")
    refused(path, "a regular expression", group="(")
    refused(path, "finds none in", group="patient_(.)")


@pytest.mark.parametrize(
    ("yes", "no"), [("True", "False"), ("1", "0"), ("1.0", "0.0"), ("yes", "no")]
)
def test_is_valid_of_fastai_tells_the_split(folder, yes, no):
    flags = [yes if number % 4 == 0 else no for number in range(60)]
    path = table(folder, "name,label,is_valid", IDS, LABELS, flags)
    dataset = load(path)
    assert {*shown(dataset.test, dataset.class_names)} == {*IDS[::4]}
    tested = [yes if number % 5 == 0 else no for number in range(60)]
    path = table(folder, "name,label,is_valid,is_test", IDS, LABELS, flags, tested)
    dataset = load(path)
    assert {*shown(dataset.test, dataset.class_names)} == {*IDS[::5]}
    assert {*shown(dataset.validation, dataset.class_names)} == {*IDS[::4]} - {
        *IDS[::5]
    }
    flags[7] = "maybe"
    path = table(folder, "name,label,is_valid", IDS, LABELS, flags)
    refused(path, "line 9: expected true or false for 'is_valid', received 'maybe'")


@pytest.mark.parametrize("suffix", ["", ".0"])
def test_of_a_column_of_folds_one_is_tested_on(folder, suffix):
    folds = [f"{number % 5}{suffix}" for number in range(60)]
    path = table(folder, "image,label,fold", IDS, LABELS, folds)
    dataset = load(path)
    assert {*shown(dataset.test, dataset.class_names)} == {*IDS[4::5]}
    assert "Of the folds 0, 1, 2, 3, 4, 4 is tested on" in dataset.notes[0]
    dataset = load(path, fold=1)
    assert {*shown(dataset.test, dataset.class_names)} == {*IDS[1::5]}
    refused(path, "one of at least two, here 0, 1, 2, 3, 4. Received: fold=5", fold=5)
    path = table(folder, "image,label", IDS, LABELS)
    refused(path, "fold must go with a column fold", fold=1)


@pytest.mark.parametrize("word", ["val", "Valid", "DEV", "validation"])
def test_spellings_of_splits_are_known_in_any_case(folder, word):
    words = [("Train", word, "TEST")[number % 3] for number in range(60)]
    labels = ["cat" if number % 2 else "dog" for number in range(60)]
    dataset = load(table(folder, "image,label,split", IDS, labels, words))
    assert [len(split) for split in dataset.splits().values()] == [20, 20, 20]


ONE_HOT = [[int(n % 3 == k) for k in range(3)] for n in range(60)]


def one_hot(folder, rows, name="t.csv", prefix=" "):
    lines = ["filename, b, a, c"]
    for image, row in zip(IDS, rows, strict=True):
        lines.append(f"{image}.jpg," + ",".join(f"{prefix}{value}" for value in row))
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_columns_of_0_and_1_are_classes(folder):
    dataset = load(one_hot(folder, ONE_HOT))
    assert dataset.class_names == ("b", "a", "c")
    expect(dataset, ["bac"[number % 3] for number in range(60)])
    several = [row[:] for row in ONE_HOT]
    several[0], several[1] = [0, 0, 0], [1, 1, 0]
    labels = [("bac"[number % 3],) for number in range(60)]
    labels[:2] = (), ("b", "a")
    expect(load(one_hot(folder, several)), labels)
    several[3] = [0, 2, 0]
    refused(one_hot(folder, several), "line 5: expected 0 or 1")


def test_some_columns_of_0_and_1_may_be_named(folder):
    columns = [*zip(*ONE_HOT, strict=True)]
    path = table(folder, "image,age,MEL,NV,BCC", IDS, range(7, 67), *columns)
    refused(path, "--label_column", "Received: image, age, MEL")
    dataset = load(path, label_column="MEL,NV,BCC")
    assert dataset.class_names == ("MEL", "NV", "BCC")
    assert dataset.train.labels.ndim == 1


def test_a_folder_of_splits_with_a_table_each_is_read(folder):
    for split, part in (("train", "part_0"), ("valid", "part_1")):
        (folder / part).rename(folder / split)
        ids = IDS[part == "part_1" :: 2]
        lines = [
            "filename, a, b",
            *(f"{one}.jpg, {i % 2}, 1" for i, one in enumerate(ids)),
        ]
        (folder / split / "_classes.csv").write_text("\n".join(lines))
    dataset = load(folder)
    assert dataset.class_names == ("a", "b")
    assert {*shown(dataset.train, dataset.class_names)} == {*IDS[::2]}
    assert {*shown(dataset.test, dataset.class_names)} == {*IDS[1::2]}
    (folder / "test").mkdir()
    refused(folder, "expected one table in each split", "0 in ")


def coco(folder, annotations, name="coco.json", **more):
    content = {
        "images": [
            {"id": 9 + n, "file_name": f"{one}.jpg"} for n, one in enumerate(IDS)
        ],
        "annotations": [{"image_id": 9 + n, "category_id": k} for n, k in annotations],
        "categories": [
            {"id": 0, "name": "all"},
            {"id": 7, "name": "dog"},
            {"id": 3, "name": "cat"},
        ],
    }
    (folder / name).write_text(json.dumps(content | more))
    return folder / name


CLASSES = [(number, 3 if number % 3 else 7) for number in range(60)]


def test_categories_of_coco_are_classes(folder):
    dataset = load(coco(folder, CLASSES + CLASSES[:9]))
    expect(dataset)
    assert any("no classes: all" in note for note in dataset.notes)
    dataset = load(coco(folder, CLASSES[1:]))
    expect(dataset, LABELS[1:], IDS[1:])
    assert any("without an annotation are left out: 1" in n for n in dataset.notes)
    dataset = load(coco(folder, [*CLASSES[1:], (1, 7)]))
    labels = [(), ("cat", "dog"), *((label,) for label in LABELS[2:])]
    expect(dataset, labels)
    refused(coco(folder, [*CLASSES, (1, 8)]), "of an unknown id", "KeyError(8)")
    refused(
        coco(folder, CLASSES, categories=[{"id": 3}]), "categories with id and name"
    )


def test_exports_of_label_studio_are_read(folder):
    def address(number):
        if number % 2:
            return f"/data/upload/3/0a1b2c3d-{IDS[number]}.jpg"
        return f"/data/local-files/?d=photos/{IDS[number]}.jpg"

    def task(number, *choices):
        results = [{"value": {"choices": [*choices]}, "type": "choices"}]
        return {
            "data": {"image": address(number)},
            "annotations": [{"result": results}],
        }

    path = folder / "tasks.json"
    tasks = [task(number, label) for number, label in enumerate(LABELS)]
    path.write_text(json.dumps(tasks))
    expect(load(path))
    path.write_text(json.dumps([task(0, "cat", "dog"), *tasks[1:]]))
    expect(load(path), [("cat", "dog"), *((label,) for label in LABELS[1:])])
    path.write_text(
        json.dumps([{"data": tasks[0]["data"], "annotations": []}, *tasks[1:]])
    )
    dataset = load(path)
    expect(dataset, LABELS[1:], IDS[1:])
    assert any("without a choice are left out: 1" in note for note in dataset.notes)
    path.write_text(json.dumps([task(0, "cat"), *tasks]))
    refused(path, "has another label than in line 1")
    rows = [
        {"image": address(number), "id": number, "choice": label, "annotator": 1}
        for number, label in enumerate(LABELS)
    ]
    path.write_text(json.dumps(rows))
    expect(load(path))
    rows[0]["choice"] = {"choices": ["cat", "dog"]}
    path.write_text(json.dumps(rows))
    assert all_shown(load(path))["id00"] == ("cat", "dog")
    header = "annotation_id,annotator,choice,created_at,id,image"
    columns = IDS, IDS, LABELS, IDS, IDS, map(address, range(60))
    expect(load(table(folder, header, *columns)))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"path": {"0": "a"}, "label": {"0": "b"}}, "orient='records'"),
        ([], "Expected a list of objects"),
        ({"images": [1], "annotations": []}, "expected COCO's images"),
        ([{"data": {"text": "a", "more": "b"}}], "expected tasks of Label Studio"),
    ],
)
def test_another_json_document_is_refused(folder, content, word):
    (folder / "t.json").write_text(json.dumps(content))
    refused(folder / "t.json", word)
    (folder / "t.json").write_text("{")
    refused(folder / "t.json", "Expected a JSON document")


def test_the_columns_of_nih_are_known(folder):
    labels = [("No Finding", "Mass", "Edema|Mass")[number % 3] for number in range(60)]
    header = "Image Index,Finding Labels,Follow-up #,Patient ID"
    names = [f"{one}.jpg" for one in IDS]
    dataset = load(table(folder, header, names, labels, IDS, IDS))
    expect(dataset, [tuple(label.split("|")) for label in labels])


def test_numbers_that_are_no_classes_are_refused(folder):
    rng = np.random.default_rng(0)
    ages = rng.integers(18, 90, 60)
    refused(table(folder, "id,age", IDS, ages), "Only classes are learned", "from 0")
    prices = rng.random(60).round(2)
    refused(table(folder, "id,price", IDS, prices), "Only classes are learned")


def test_numbers_that_may_be_classes_are_read_and_told(folder):
    dataset = load(table(folder, "id,label", IDS, [f"{n % 2}.0" for n in range(60)]))
    expect(dataset, [str(number % 2) for number in range(60)])
    assert any(note.startswith("Labels such as 0.0 are read") for note in dataset.notes)
    dataset = load(table(folder, "id,label", IDS, [n % 12 * 2 + 5 for n in range(60)]))
    assert any("12 different numbers from 5 to 27" in note for note in dataset.notes)
    for first in (0, 1):  # as classes are counted
        dataset = load(
            table(folder, "id,label", IDS, [n % 12 + first for n in range(60)])
        )
        assert not any("numbers" in note for note in dataset.notes)
    dataset = load(table(folder, "id,label", IDS, [f"{n % 3 / 2}" for n in range(60)]))
    assert dataset.class_names == ("0.0", "0.5", "1.0")
    assert any(note.startswith("Each number is taken for") for note in dataset.notes)


def test_labels_with_commas_are_told_where_they_seem_to_be_several(folder):
    labels = [("cat", "dog", "cat,dog")[number % 3] for number in range(60)]
    dataset = load(table(folder, "id,label", IDS, labels))
    assert dataset.class_names == ("cat", "cat,dog", "dog")
    assert any("'cat,dog' seem to be several labels" in note for note in dataset.notes)
    labels = [("tench, Tinca tinca", "hen")[number % 2] for number in range(60)]
    dataset = load(table(folder, "id,label", IDS, labels))
    assert not any("several" in note for note in dataset.notes)


def test_files_of_a_table_that_are_no_images_are_counted(folder):
    for name in IDS[:24]:
        (folder / f"{name}.dcm").touch()
    names = [f"{name}.dcm" for name in IDS[:24]]
    path = table(folder, "path,label", names, LABELS[:24])
    refused(path, "'id00.dcm' is no image", "24 files end in .dcm, which are not read")
    for path in folder.glob("part_*/*"):
        path.unlink()
    path = table(folder, "id,label", IDS[:24], LABELS[:24])
    refused(path, "no file 'id00'", "24 files end in .dcm, which are not read")


def test_every_class_of_a_table_is_tested_on(folder):
    dataset = load(table(folder, "id,label", IDS, ["a"] * 57 + ["b"] * 3))
    tested = shown(dataset.test, dataset.class_names)
    place = {name: f"part_{int(name[2:]) % 2}/{name}.jpg" for name in IDS}
    expected = chosen_of_class(map(place.get, IDS[:57]))
    expected |= chosen_of_class(map(place.get, IDS[57:]))
    assert {place[name] for name in tested} == expected
