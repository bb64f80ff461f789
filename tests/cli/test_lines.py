"""What the command says of a model, the most telling first."""

import types
import warnings

import numpy as np
import pytest
from scipy import stats

from keras_vit.cli import evaluate, train
from keras_vit.cli.main import main, warnings_in_a_line
from keras_vit.data import Split
from keras_vit.evaluation import Predictions, evaluation_of
from keras_vit.evaluation.headline import majority, support
from keras_vit.evaluation.measurements import MEASUREMENTS
from keras_vit.evaluation.metrics import MetricSums
from keras_vit.evaluation.report import numbers_of
from keras_vit.training.progress import Progress
from keras_vit.training.tasks import evaluators
from keras_vit.training.tasks.evaluators import ClassificationEvaluator


def binary(rng):
    labels = np.arange(40) % 2
    logits = rng.normal(size=(40, 2)).astype(np.float32)
    return Predictions(logits, labels), ("benign", "malignant")


def several(rng):
    labels = (np.arange(40)[:, None] < [3, 6, 9, 12, 15, 0]).astype(int)
    logits = rng.normal(size=(40, 6)).astype(np.float32)
    return Predictions(logits, labels, "sigmoid"), tuple("abcdef")


def one_of_six(rng):
    labels = np.arange(40) % 6
    logits = rng.normal(size=(40, 6)).astype(np.float32)
    return Predictions(logits, labels), tuple("abcdef")


FIRST = {
    binary: ("top-1", "AUROC", "sensitivity (malignant)", "specificity (malignant)"),
    several: ("mAP", "macro AUROC", "top-1", "top-5"),
    one_of_six: ("top-1", "top-5", "macro AUROC"),
}


SUPPORT = {
    binary: "2 classes of 20 images each",
    several: "6 classes of 0 (f) to 15 (e) images",
    one_of_six: "6 classes of 6 (e) to 7 (a) images",
}
MAJORITY = {
    binary: "the largest class has 50.00 %",
    several: "the largest class has 37.50 %",
    one_of_six: "the largest class has 17.50 %",
}


@pytest.mark.parametrize("make", FIRST)
def test_evaluate_names_each_number_in_this_order(make, rng):
    answers, names = make(rng)
    evaluation = evaluation_of(answers)
    context = types.SimpleNamespace(
        predictions=lambda: answers,
        evaluation=lambda: evaluation,
        class_names=names,
        dataset=types.SimpleNamespace(name="pictures"),
        seed=0,
    )
    part = MEASUREMENTS["metrics"].measure(context)
    lines = evaluate._lines("metrics", part, context).splitlines()
    labels = [line[2:].split("  ")[0] for line in lines]
    assert labels[: len(FIRST[make])] == list(FIRST[make])
    assert labels[len(FIRST[make])] == "loss"
    assert labels[len(FIRST[make]) + 1] == f"{SUPPORT[make]}; {MAJORITY[make]}"
    assert (make is several) == ("AUROC over 5 of 6 classes" in lines[-1])
    rows = [row["metric"] for row in part.rows]
    assert (rows[0] == "mean_average_precision") == (make is several)


@pytest.mark.parametrize("make", FIRST)
def test_a_run_ends_with_the_same_numbers_first(make, rng, tmp_path, capsys):
    answers, names = make(rng)
    (tmp_path / "labels.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "images").mkdir()
    evaluation = evaluation_of(answers)
    train._print_results(
        types.SimpleNamespace(
            evaluation=evaluation, folder=tmp_path, saved_model="s", eval_split="test"
        )
    )
    said, places = capsys.readouterr().out, []
    for label in FIRST[make]:
        label = "Test accuracy" if label == "top-1" == FIRST[make][0] else label
        places.append(said.index(label))
    assert places == sorted(places)
    first, _, third = said.lstrip().splitlines()[:3]
    assert first.endswith(f" on 40 images; {MAJORITY[make]}")
    assert third == f"  {SUPPORT[make]}"
    if make is not several:  # whose mAP is no share of images
        correct = (answers.logits.argmax(1) == answers.labels).sum()
        wilson = stats.binomtest(int(correct), 40).proportion_ci(method="wilson")
        assert f"({100 * wilson.low:.2f} to {100 * wilson.high:.2f})" in first


@pytest.mark.parametrize("make", FIRST)
def test_top_5_goes_with_more_than_five_classes(make, rng):
    answers, names = make(rng)
    numbers = numbers_of(evaluation_of(answers), names)
    assert ("top5" in numbers) == ("top5" in numbers["intervals"]) == (len(names) > 5)


def test_a_few_classes_are_counted_one_by_one():
    labels = np.array([0, 0, 0, 2])
    found = evaluation_of(Predictions(np.eye(3)[labels], labels))
    assert support(found, ("a", "b", "c")) == "images of each class: a 3, b 0, c 1"
    assert majority(found) == "the largest class has 75.00 %"


@pytest.mark.parametrize(
    ("classes", "several", "count", "kept"),
    [
        (2, False, 30, True),
        (3, True, 30, True),
        (3, False, 30, True),
        (7, False, 99, False),
    ],
)
def test_a_run_keeps_logits_where_they_say_more_than_accuracy(
    classes, several, count, kept, rng, monkeypatch
):
    monkeypatch.setattr(evaluators, "SOON_RANKED", 100)
    labels = np.arange(count) % classes
    labels = np.eye(classes, dtype=int)[labels] if several else labels
    split = Split(np.zeros((count, 1, 1, 3), np.uint8), labels)
    model = types.SimpleNamespace(output_shape=(None, classes))
    loss = "sigmoid" if several else "softmax"
    sums = ClassificationEvaluator(model, loss).metric_sums(split)
    logits = rng.normal(size=(count, classes)).astype(np.float32)
    sums.add(logits, labels)
    found, expected = sums.whole(), evaluation_of(Predictions(logits, labels, loss))
    assert (found.ranking is not None) == kept
    assert not kept or found.auroc == expected.auroc


def test_the_history_of_several_labels_has_their_precision(rng):
    answers, _ = several(rng)
    sums = MetricSums(6, "sigmoid", True, keep_logits=True)
    sums.add(answers.logits, answers.labels)
    numbers = {"steps": 1, "epoch": 1.0, "learning_rate": 0.1, "images_per_second": 1.0}
    numbers["eval_split"] = "test"
    progress = Progress()
    progress.add(1.0, 0.5)
    row = progress.end_interval(sums.whole(), **numbers)
    precision = evaluation_of(answers).mean_average_precision
    assert row["eval_mean_average_precision"] == precision
    plain = Progress()
    plain.add(1.0, 0.5)
    answers, _ = one_of_six(rng)
    assert "eval_mean_average_precision" not in plain.end_interval(
        evaluation_of(answers), **numbers
    )


def test_a_warning_is_a_line_of_the_command():
    with warnings_in_a_line("keras-vit export"):
        line = warnings.formatwarning("few are left", UserWarning, "main.py", 7)
    assert line == "keras-vit export: few are left\n"
    assert "main.py:7" in warnings.formatwarning("few", UserWarning, "main.py", 7)


def test_the_command_shows_what_an_old_setting_is_called(capsys):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("ignore")  # as Python does with deprecations
        assert main(["train", "--set=micro_batches=0"]) == 2
    [warning] = shown
    assert str(warning.message).startswith(
        "The setting micro_batches is called accumulation_steps now"
    )
    assert "accumulation_steps must be at least 1" in capsys.readouterr().err
