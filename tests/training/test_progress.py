import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from keras_vit.training.progress import Progress


def evaluated(progress, accuracy, loss=1.0):
    """Take a step and end the interval with such an evaluation."""
    progress.add(0.5, 0.5)
    progress.end_interval(
        SimpleNamespace(accuracy=accuracy, loss=loss),
        steps=10 * (len(progress.history) + 1),
        epoch=1.0,
        eval_split="validation",
        learning_rate=0.1,
        images_per_second=1.0,
    )
    return progress


def resumed(progress):
    """The progress as a checkpoint gives it back."""
    notes = json.loads(json.dumps(asdict(progress)))
    return Progress.of_checkpoint(notes, "validation")


def best_of(pairs):
    progress = Progress()
    for pair in pairs:
        evaluated(progress, *pair)
    return progress.best


@pytest.mark.parametrize(
    ("pairs", "step"),
    [
        ([(0.5, 1.0), (0.7, 2.0), (0.6, 0.1)], 20),
        ([(0.7, 1.0), (0.7, 0.5), (0.7, 0.6)], 20),
        ([(0.7, 1.0), (0.7, 1.0)], 10),
    ],
)
def test_the_best_is_the_most_accurate_of_equals_that_of_the_least_loss(pairs, step):
    assert best_of(pairs)["step"] == step


def test_of_equals_the_first_is_best_where_an_earlier_version_noted_no_loss():
    progress = Progress(history=[{"steps": 10}], best={"step": 10, "accuracy": 0.7})
    assert evaluated(progress, 0.7, 0.0).best["step"] == 10
    assert evaluated(progress, 0.8, 5.0).best["step"] == 30


ACCURACIES = (0.5, 0.6, 0.6, 0.5, 0.7, 0.7, 0.6, 0.7, 0.9)


@pytest.mark.parametrize(
    ("patience", "evaluations"), [(1, 3), (2, 4), (3, 8), (4, 9), (None, 9)]
)
@pytest.mark.parametrize("interrupted", [False, True])
def test_a_run_stops_after_so_many_evaluations_without_a_better_one(
    patience, evaluations, interrupted
):
    progress = Progress()
    for accuracy in ACCURACIES:
        evaluated(progress, accuracy)
        progress = resumed(progress) if interrupted else progress
        if progress.is_out_of_patience(patience):
            break
    assert len(progress.history) == evaluations


def test_before_the_first_evaluation_there_is_patience():
    assert not Progress().is_out_of_patience(1)
