"""Keras's losses, and functions, as losses of single images."""

import functools
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit.data import Dataset, Split
from keras_vit.training.keras_losses import activation_of, per_example
from keras_vit.training.losses import softmax_cross_entropy, weighted
from keras_vit.training.tasks import Classification
from support.models import tiny_vit

LOSSES = {
    "crossentropy": keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=0.1
    ),
    "focal": keras.losses.CategoricalFocalCrossentropy(
        from_logits=True, alpha=0.3, gamma=1.5
    ),
    "binary focal": keras.losses.BinaryFocalCrossentropy(from_logits=True),
    "squares": keras.losses.MeanSquaredError(reduction="sum"),
}


@pytest.fixture(params=[(4, 3), (7, 5)])
def batch(request, rng):
    count, classes = request.param
    logits = rng.normal(size=(count, classes)).astype(np.float32)
    targets = np.eye(classes, dtype=np.float32)[rng.integers(0, classes, count)]
    return logits, targets


def log_softmax(logits):
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_keras_is_its_own_without_the_mean(name, batch):
    """Each image by itself, in a batch of one, where the mean is the number."""
    loss, (logits, targets) = LOSSES[name], batch
    reduction = loss.reduction
    told = per_example(loss, logits.shape[1])(tf.constant(logits), tf.constant(targets))
    expected = [loss(targets[i : i + 1], logits[i : i + 1]) for i in range(len(logits))]
    np.testing.assert_allclose(told, expected, rtol=1e-6)
    assert loss.reduction == reduction  # the caller's own stays as it is


def test_the_focal_loss_is_its_formula(batch):
    """alpha (1 - p)^gamma (-log p) of the true class (arXiv:1708.02002)."""
    logits, targets = batch
    told = per_example(LOSSES["focal"], logits.shape[1])(logits, targets)
    log_p = (log_softmax(logits.astype(np.float64)) * targets).sum(1)
    expected = 0.3 * (1 - np.exp(log_p)) ** 1.5 * -log_p
    np.testing.assert_allclose(told, expected, rtol=1e-4)


def test_a_function_is_called_as_keras_calls_it(batch):
    logits, targets = batch
    loss = functools.partial(keras.losses.categorical_crossentropy, from_logits=True)
    told = per_example(loss, logits.shape[1])(logits, targets)
    expected = -(log_softmax(logits.astype(np.float64)) * targets).sum(1)
    np.testing.assert_allclose(told, expected, rtol=1e-5)


class Margin(keras.losses.Loss):
    """With a constructor that no config knows."""

    def __init__(self, margin):
        super().__init__(reduction="sum_over_batch_size")
        self.margin = margin

    def call(self, y_true, y_pred):
        return keras.ops.max(self.margin + y_pred - y_true, axis=-1)


def test_a_loss_class_of_the_users_own_needs_no_config(batch):
    logits, targets = batch
    told = per_example(Margin(0.5), logits.shape[1])(logits, targets)
    np.testing.assert_allclose(told, (0.5 + logits - targets).max(1), rtol=1e-6)


def scalar(targets, logits):
    return keras.ops.mean(keras.ops.square(targets - logits))


def of_the_batch(targets, logits):
    return keras.ops.sum(targets - logits, -1) * keras.ops.mean(logits)


REFUSED = {
    "a word": ("focal", TypeError, "must be a word of recipes, a keras.losses.Loss"),
    "a class": (keras.losses.MeanSquaredError, TypeError, "Received: <class"),
    "probabilities": (
        keras.losses.CategoricalCrossentropy(),
        ValueError,
        "CategoricalCrossentropy with from_logits=False. Pass from_logits=True",
    ),
    "a function of probabilities": (
        keras.losses.categorical_focal_crossentropy,
        ValueError,
        "categorical_focal_crossentropy with from_logits=False",
    ),
    "no from_logits": (
        keras.losses.KLDivergence(),
        ValueError,
        "KLDivergence, which takes probabilities. Pass a function such as",
    ),
    "sparse": (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ValueError,
        "SparseCategoricalCrossentropy, which raises .* Pass CategoricalCrossentropy",
    ),
    "a mean": (scalar, ValueError, r"scalar, which returns shape \(\) for B=3, K=5"),
    "a batch": (of_the_batch, ValueError, "of_the_batch, whose number for an image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_loss_of_single_logits_is_refused(case):
    loss, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        per_example(loss, 5)


def test_what_is_trained_by_a_loss_of_each_class_has_probabilities_of_each():
    assert activation_of(LOSSES["binary focal"]) == "sigmoid"
    assert activation_of(LOSSES["focal"]) == "softmax"
    for name in ("binary_crossentropy", "binary_focal_crossentropy"):
        function = getattr(keras.losses, name)
        loss = functools.partial(functools.partial(function, from_logits=True))
        assert activation_of(loss) == Classification(loss).activation == "sigmoid"
    loss = functools.partial(keras.losses.categorical_crossentropy, from_logits=True)
    assert activation_of(loss) == "softmax"


def hinge(targets, logits):
    return keras.ops.mean(keras.ops.relu(1 - (2 * targets - 1) * logits), axis=-1)


@pytest.mark.parametrize("loss", [hinge, functools.partial(hinge)])
def test_multi_label_images_need_an_activation_beside_a_function(loss):
    split = Split(np.zeros((2, 4, 4, 3), np.uint8), np.array([[1, 1], [0, 1]]))
    data = Dataset("photos", split, split, ("cat", "dog"))
    with pytest.raises(ValueError, match="loss=hinge, .*Classification.loss, activ"):
        Classification(loss).examples(split, data, mock.Mock())
    task = Classification(loss, activation="sigmoid")
    assert task.examples(split, data, mock.Mock()) is split
    model = tiny_vit(num_classes=2)
    evaluator = task.evaluator(model, model, 0)
    assert evaluator.metric_sums(split).activation == "sigmoid"


@pytest.mark.parametrize(
    ("loss", "activation", "message"),
    [
        (
            hinge,
            "tanh",
            "one of softmax, sigmoid, or None.*Received: activation='tanh'",
        ),
        ("softmax", "sigmoid", "must be that of the loss. Received: loss='softmax'"),
    ],
)
def test_an_activation_is_one_that_the_loss_can_have(loss, activation, message):
    with pytest.raises(ValueError, match=message):
        Classification(loss, activation=activation)


def test_class_weights_are_those_of_the_true_class(batch, rng):
    """As Keras's fit weighs; of mixtures the mean over their classes."""
    logits, targets = batch
    weights = rng.uniform(0.2, 3, logits.shape[1]).astype(np.float32)
    mixed = 0.7 * targets + 0.3 * targets[::-1]
    log_p = log_softmax(logits.astype(np.float64))
    for one in (targets, mixed):
        told = weighted(softmax_cross_entropy(logits, one), one, weights)
        expected = -(log_p * one).sum(1) * (one * weights).sum(1)
        np.testing.assert_allclose(told, expected, rtol=1e-5)
    of_keras = keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")
    sample_weight = weights[targets.argmax(1)]
    told = weighted(softmax_cross_entropy(logits, targets), targets, weights)
    np.testing.assert_allclose(
        np.sum(told), of_keras(targets, logits, sample_weight), rtol=1e-5
    )
