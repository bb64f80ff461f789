"""Tasks of the caller's own, which override as little as they may."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit.data import Split
from keras_vit.training.artifacts import results
from keras_vit.training.tasks.evaluators import LossEvaluation, LossEvaluator
from support.training.small import linear, small_dataset, small_recipe


class Squares(keras_vit.training.Task):
    """The squared distance of logits from the labels: an objective, and no more."""

    learns_labels = True

    def objective(self, trained):
        def squares(images, targets, training=True):
            logits = trained(images, training=training)
            right = tf.argmax(logits, 1) == tf.argmax(targets, 1)
            losses = tf.reduce_sum((logits - targets) ** 2, axis=1)
            return losses, tf.cast(right, "float32")

        return squares


def test_an_objective_alone_is_a_task_and_is_evaluated_by_the_labels(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(results, "_export", lambda *_: pathlib.Path("exported"))
    data = small_dataset()
    run = keras_vit.train(
        small_recipe(steps=2, warmup_steps=0),
        model=linear(),
        dataset=data,
        task=Squares(),
        folder=tmp_path,
        verbose=0,
    )
    targets = np.eye(2)[data.test.labels]
    losses = ((run.model.predict(data.test.images, verbose=0) - targets) ** 2).sum(1)
    assert isinstance(run.evaluation, LossEvaluation)
    assert run.evaluation.count == 20
    assert run.evaluation.loss == pytest.approx(losses.mean(), rel=1e-5)
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["loss"] == run.evaluation.loss
    assert "of the predictions are correct" in (tmp_path / "report.html").read_text()
    assert keras_vit.Classifier.of(tmp_path).class_names == data.class_names


@pytest.mark.parametrize("labels", [np.array([2, 0, 1]), np.eye(4, dtype=int)[:3]])
def test_evaluations_have_labels_as_rows_as_training_has_them(labels):
    images = np.zeros((3, 4, 4, 3), np.uint8)
    evaluator = LossEvaluator(lambda *_: (), 0, seed=0, image_size=(4, 4))
    batches = [*evaluator.batches(Split(images, labels), 2, 4)]
    rows = np.concatenate([inputs[1][w > 0] for inputs, _, w in batches])
    expected = Split(images, labels).targets(4)(tf.range(3))  # those of training
    np.testing.assert_array_equal(rows, expected)
    assert [inputs[1].dtype for inputs, _, _ in batches] == ["float32"] * 2


class Drawn(Squares):
    """Learns labels, by numbers in their place."""

    def num_draws(self, trained):
        return 3


class Unlabelled(Squares):
    learns_labels = False


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (
            Drawn(),
            {"mixup": 0.2, "cutmix": 1.0},
            r"mixup and cutmix must .* mixup=0.2, cutmix=1.0, .*Drawn.num_draws",
        ),
        (
            Unlabelled(),
            {"cutmix": 0.5, "sampling": "balanced"},
            "cutmix, sampling must .*Unlabelled, .* Set cutmix=None, sampling=None",
        ),
    ],
)
def test_settings_that_mix_labels_are_refused_where_none_are_learnt(
    tmp_path, task, settings, message
):
    with pytest.raises(ValueError, match=message):
        keras_vit.train(
            small_recipe(**settings),
            model=linear(),
            dataset=small_dataset(),
            task=task,
            folder=tmp_path / "run",
            verbose=0,
        )
    assert not (tmp_path / "run" / "config.json").exists()
