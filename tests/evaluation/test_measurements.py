"""What is measured, and what a report keeps of it."""

import csv
import json
import xml.etree.ElementTree

import numpy as np
import pytest
from scipy import stats

from keras_vit.data import Dataset, Split
from keras_vit.evaluation import Context, Part, Predictions, confusion, share_interval
from keras_vit.evaluation.labels import RealLabels, Subset
from keras_vit.evaluation.measurements import MEASUREMENTS, chosen
from keras_vit.evaluation.report import write_parts
from support.models import randomize, tiny_vit
from support.scripted import Scripted

NAMES = ("cat", "dog", "$owl", "a lizard: banded_gecko")


def context_of(logits, true, num_classes=4, **options):
    images = np.zeros((len(true), 5, 9, 3), np.uint8)
    images[..., 0] = np.arange(len(true))[:, None, None]
    split = Split(images, np.asarray(true))
    dataset = Dataset("pets", split, split, NAMES[:num_classes])
    return Context(Scripted(logits, (5, 9)), dataset, **options)


@pytest.fixture
def context(rng):
    logits, labels = rng.normal(size=(120, 4)), rng.integers(0, 4, 120)
    return context_of(logits, labels)


@pytest.fixture
def several(rng):
    logits, labels = rng.normal(size=(120, 4)), rng.integers(0, 2, (120, 4))
    return context_of(logits, labels)


def test_every_accuracy_stands_within_its_interval(context, several):
    for one in (context, several):
        found = {row["metric"]: row for row in measured("metrics", one).rows}
        row, right = found["top1"], one.predictions().correct()
        assert row["value"] == right.mean()
        assert (row["low"], row["high"]) == share_interval(right.sum(), 120)
        assert "top5" not in found  # of four classes
        for row in measured("classes", one).rows:
            assert row["low"] <= row["accuracy"] <= row["high"]
    assert "mean_average_precision" in found  # of several classes an image
    rows = measured("classes", context).rows
    assert sum(row["correct"] for row in rows) / 120 == context.evaluation().top1


def test_shares_have_wilsons_interval_also_of_none_and_of_all():
    logits = np.eye(3)[[0] * 9 + [0] * 4 + [1] * 2]  # all of 9, none of 4, 2 of 2
    labels = np.array([0] * 9 + [1] * 4 + [1] * 2)
    part = measured("classes", context_of(logits, labels, 3))
    first, second, third = part.rows
    wilson = stats.binomtest(9, 9).proportion_ci(method="wilson")
    assert (first["low"], first["high"]) == pytest.approx((wilson.low, 1))
    wilson = stats.binomtest(2, 6).proportion_ci(method="wilson")
    assert (second["low"], second["high"]) == pytest.approx((wilson.low, wilson.high))
    assert third["images"] == 0
    assert (third["accuracy"], third["low"], third["high"]) == (None, None, None)
    first, second = NAMES[:2]
    assert part.title == (
        f"accuracy from {second}, 33.33 % of 6 images, to {first}, 100.00 % of 9 images"
    )


def measured(name, context):
    return MEASUREMENTS[name].measure(context)


def test_pairs_of_classes_are_those_of_the_matrix_most_confused_first(context):
    found = confusion.pairs(context.predictions())
    matrix = np.zeros((4, 4), int)
    for true, answer, count in found:
        matrix[true, answer] = count
    np.testing.assert_array_equal(matrix, context.evaluation().confusion)
    wrong = [count for true, answer, count in found if true != answer]
    assert wrong == sorted(wrong, reverse=True)
    assert all(true != answer for true, answer, _ in found[: len(wrong)])


def test_the_surest_mistakes_are_shown(context):
    part, answers = measured("confusion", context), context.predictions()
    row = part.rows[0]
    true, answer = NAMES.index(row["class"]), NAMES.index(row["predicted"])
    mine = [
        image
        for image in range(120)
        if answers.labels[image] == true and answers.argmax()[image] == answer
    ]
    assert row["images"] == len(mine)
    margin = answers.logits[:, answer] - answers.logits[:, true]
    expected = sorted(mine, key=lambda image: -margin[image])[: confusion.MOST_IMAGES]
    assert row["shown"] == "; ".join(map(str, expected))
    assert part.title.startswith(f"{row['class']} is predicted as {row['predicted']}")


def test_a_model_without_mistakes_has_no_pair_to_show():
    context = context_of(np.eye(4), np.arange(4))
    part = measured("confusion", context)
    assert part.title == "no class is predicted for another"
    assert list(part.figures) == ["confusion_matrix"]
    assert measured("metrics", context).rows[1]["value"] == 1


def test_right_classes_from_a_file_count_in_place_of_the_labels(rng):
    logits, labels = rng.normal(size=(60, 4)), rng.integers(0, 4, 60)
    sets = [[], [0, 1], [2], [0, 1, 2, 3]] * 15
    real = RealLabels(tuple(map(tuple, sets)))
    part = measured("real", context_of(logits, labels, labels=real))
    by_file, own = part.rows
    counted = [image for image in range(60) if sets[image]]
    best = logits.argmax(1)
    assert by_file["top1"] == np.mean([best[i] in sets[i] for i in counted])
    assert own["top1"] == np.mean([best[i] == labels[i] for i in counted])
    assert (by_file["images"], by_file["left_out"]) == (45, 15)


def test_all_is_measured_among_a_subset_of_the_models_classes(rng):
    logits, labels = rng.normal(size=(60, 10)), rng.integers(0, 3, 60)
    subset = Subset(((7,), (0,), (4,)), 10)
    context = context_of(logits, labels, 3, labels=subset)
    expected = (logits[:, [7, 0, 4]].argmax(1) == labels).mean()
    assert context.evaluation().top1 == expected
    assert context.evaluation().confusion.shape == (3, 3)
    with pytest.raises(ValueError, match="of 10 classes.*: 'scripted' of 4"):
        context_of(rng.normal(size=(60, 4)), labels, 3, labels=subset)
    with pytest.raises(ValueError, match="The model has 10 classes, pets has 3"):
        context_of(logits, labels, 3).predictions()


def test_another_model_is_compared_on_the_same_images(rng, context):
    labels = context.dataset.test.labels
    better = 9 * np.eye(4)[labels] + rng.normal(size=(120, 4))
    other = context_of(context.model.logits, labels, other=Scripted(better, (5, 9)))
    part = measured("comparison", other)
    assert part.rows[0]["second"] == 1
    assert part.rows[0]["difference"] == context.evaluation().top1 - 1
    assert part.title.endswith(": more than noise.")


def test_answers_are_computed_once(context):
    seen, ask = [], context.model.predict_on_batch
    context.model.predict_on_batch = lambda images: seen.append(1) or ask(images)
    for name in chosen((), context)[0]:
        measured(name, context)
    assert len(seen) == 1


def test_what_is_quick_is_measured_where_nothing_is_named(context, several):
    assert chosen((), context) == (["metrics", "classes", "confusion"], {})
    assert chosen((), several) == (["metrics", "classes"], {})


def test_all_leaves_out_what_cannot_be_measured_and_says_why(several):
    names, left_out = chosen(["all"], several)
    assert {"metrics", "classes", "calibration"} <= {*names}
    assert {"confusion", "real", "comparison"} <= {*left_out}
    assert "no other model" in left_out["comparison"]
    assert {*names}.isdisjoint(left_out)


def test_what_cannot_be_measured_is_refused_where_it_is_named(several):
    with pytest.raises(ValueError, match="comparison cannot be measured: no other"):
        chosen(["metrics", "comparison"], several)
    with pytest.raises(ValueError, match="some of metrics, .*all. Received: bogus"):
        chosen(["all", "bogus"], several)


def test_a_report_has_every_number_in_every_form(context, tmp_path):
    parts = [measured(name, context) for name in (*chosen((), context)[0],)]
    parts.append(measured("calibration", context))
    names = write_parts(parts, tmp_path, "pets", {"dataset": "pets"})
    assert {path.name for path in tmp_path.iterdir()} == {*names}
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["dataset"] == "pets"
    text = (tmp_path / "report.md").read_text()
    for part in parts:
        assert content["parts"][part.name]["rows"] == list(part.rows)
        with open(tmp_path / f"{part.name}.csv", newline="") as stream:
            table = [*csv.DictReader(stream)]
        expected = [
            {key: "" if value is None else str(value) for key, value in row.items()}
            for row in part.rows
        ]
        assert table == expected
        assert f"## {part.name}: {part.title}" in text
        for stem in part.figures:
            assert f"![{stem}]({stem}.png)" in text
            assert (tmp_path / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
            xml.etree.ElementTree.parse(tmp_path / f"{stem}.svg")


def test_long_tables_are_cut_in_the_text_alone(tmp_path):
    rows = tuple({"class": f"a|{number}", "share": number / 7} for number in range(50))
    write_parts([Part("many", "Many", rows)], tmp_path, "Title", {})
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert lines[0] == "# Title"
    assert r"| a\|1 | 0.1429 |" in lines
    assert "And 30 more in [many.csv](many.csv)." in lines
    assert len((tmp_path / "many.csv").read_text().splitlines()) == 51


def test_who_interrupts_a_measurement_keeps_those_before_it(tmp_path):
    def measured():
        yield Part("first", "First", ({"x": 1},))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parts(measured(), tmp_path, "Title", {})
    assert json.loads((tmp_path / "evaluation.json").read_text())["parts"] == {
        "first": {"title": "First", "rows": [{"x": 1}]}
    }
    assert "## first: First" in (tmp_path / "report.md").read_text()
    assert (tmp_path / "first.csv").is_file()


def test_names_of_any_bytes_are_written(tmp_path):
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    write_parts([Part("a", "A", ({"shown": name},))], tmp_path, "Title", {})
    for file in ("a.csv", "report.md"):
        assert b"caf\xe9.jpg" in (tmp_path / file).read_bytes()
    rows = json.loads((tmp_path / "evaluation.json").read_text())["parts"]["a"]["rows"]
    assert rows == [{"shown": name}]


def test_rows_of_a_part_have_the_same_keys():
    with pytest.raises(ValueError, match="same keys in each row of 'a'"):
        Part("a", "A", ({"x": 1}, {"y": 2}))


def test_answers_may_be_of_one_class_alone():
    answers = Predictions(np.zeros((3, 1), np.float32), np.zeros(3, int))
    assert confusion.pairs(answers) == [(0, 0, 3)]


@pytest.fixture
def frozen(rng, tmp_path, monkeypatch):
    """A model of three classes and a data set of four, with a validation split."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    labels = np.arange(120) % 4
    images = rng.integers(0, 90, (120, 16, 24, 3)) + 50 * labels[:, None, None, None]
    split = Split(images.astype(np.uint8), labels)
    some = split.subset(slice(0, 40))
    dataset = Dataset("pets", split, some, NAMES, split.subset(slice(40, 80)))
    return Context(randomize(tiny_vit(num_classes=3), rng), dataset)


FROZEN = ("few_shot", "neighbours", "linear", "embedding")


@pytest.mark.parametrize("written", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_features_are_measured_of_a_model_with_other_classes(written, frozen, tmp_path):
    names, left_out = chosen(["all"], frozen)
    assert names == [*FROZEN]
    assert "The model has 3 classes, pets has 4" in left_out["metrics"]
    with pytest.raises(ValueError, match="The model has 3 classes, pets has 4"):
        chosen((), frozen)
    parts = {name: measured(name, frozen) for name in names}
    for name in ("few_shot", "neighbours", "linear"):
        assert max(row["accuracy"] for row in parts[name].rows) > 0.5  # 0.25: chance
        for row in parts[name].rows:
            assert row["low"] <= row["accuracy"] <= row["high"]
    assert [row["shots"] for row in parts["few_shot"].rows[:4]] == [1, 5, 10, 25]
    assert {row["l2"] for row in parts["few_shot"].rows[:4]} == {1024}
    test, *dev = parts["linear"].rows
    assert (test["split"], test["images"], dev[0]["images"]) == ("test", 40, 40)
    assert "chosen on the validation split" in parts["linear"].title
    assert max(row["neighbours"] for row in parts["neighbours"].rows) == 100
    assert [row["class"] for row in parts["embedding"].rows] == [*NAMES] * 10
    if written:
        write_parts(parts.values(), tmp_path / "report", "pets", {})
        assert (tmp_path / "report" / "embedding.svg").is_file()


def test_a_probe_without_a_validation_split_takes_a_fifth_of_training(frozen):
    dataset = Dataset("pets", frozen.dataset.train, frozen.dataset.test, NAMES)
    part = measured("linear", Context(frozen.model, dataset))
    assert part.rows[1]["images"] == 24
    assert "chosen on 24 training images" in part.title


def test_a_probe_is_left_out_if_too_few_images_stay_to_fit_to(frozen):
    some = frozen.dataset.train.subset(slice(0, 2))  # one of them is held out
    dataset = Dataset("pets", some, frozen.dataset.test, NAMES)
    _, left_out = chosen(["all"], Context(frozen.model, dataset))
    assert "to fit to are all of one class" in left_out["linear"]


def test_features_say_nothing_without_the_layer_or_with_several_classes(
    context, several, rng, frozen
):
    for name in FROZEN:
        assert "a layer named 'features'" in chosen(["all"], context)[1][name]
        assert "one class each" in chosen(["all"], several)[1][name]
    train = frozen.dataset.train
    fewer = train.subset(train.labels != 2)
    dataset = Dataset("pets", fewer, frozen.dataset.test, NAMES)
    _, left_out = chosen(["all"], Context(frozen.model, dataset))
    assert "no training images of '$owl'" in left_out["few_shot"]
