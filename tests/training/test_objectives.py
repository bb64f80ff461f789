import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit.training.losses import sigmoid_cross_entropy, softmax_cross_entropy
from keras_vit.training.tasks.classification import supervised
from keras_vit.training.tasks.distillation import (
    distilled,
    hard_distillation,
    soft_distillation,
)
from support.models import randomize, tiny_vit


@pytest.fixture
def images(rng):
    return tf.constant(rng.integers(0, 256, (6, 16, 24, 3), dtype=np.uint8))


@pytest.fixture
def targets(rng):
    return tf.one_hot(rng.integers(0, 5, 6), 5)


def teacher_of(images):
    """A teacher that wants another size, and what it says."""
    inputs = keras.Input((8, 8, 3))
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    teacher = keras.Model(inputs, keras.layers.Dense(5)(features))
    return teacher, teacher(tf.image.resize(images, (8, 8)))


def test_labels_are_smoothed_towards_all_classes(images, targets, rng):
    model = randomize(tiny_vit(), rng)
    losses, _ = supervised(model, "sigmoid", 0.3)(images, targets)
    logits = model(images)
    expected = sigmoid_cross_entropy(logits, 0.7 * targets + 0.3 / 5)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_of_several_classes_any_is_a_right_answer(images, rng):
    model = randomize(tiny_vit(), rng)
    order = np.argsort(-model(images).numpy(), axis=1)
    targets = np.zeros((6, 5), np.float32)
    targets[np.arange(6), order[:, 1]] = 1
    targets[:3, :][np.arange(3), order[:3, 0]] = 1
    _, right = supervised(model)(images, tf.constant(targets))
    np.testing.assert_array_equal(right, [1, 1, 1, 0, 0, 0])


def answered(logits, targets):
    return (np.argmax(logits, axis=1) == np.argmax(targets, axis=1)).astype(float)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_a_student_without_a_token_of_its_own_learns_both_by_one_head(
    images, targets, rng, kind
):
    model = randomize(tiny_vit(), rng)
    teacher, told = teacher_of(images)
    objective = distilled(model, teacher, kind, temperature=3.0, share=0.25)
    losses, right = objective(images, targets)
    logits = model(images)
    of_teacher = (
        soft_distillation(logits, told, 3.0)
        if kind == "soft"
        else hard_distillation(logits, told)
    )
    expected = 0.25 * of_teacher + 0.75 * softmax_cross_entropy(logits, targets)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(right, answered(logits, targets))


def test_deits_token_learns_from_the_teacher_and_the_class_token_from_labels(
    images, targets, rng
):
    model = randomize(tiny_vit(distillation=True), rng)
    teacher, told = teacher_of(images)
    losses, right = distilled(model, teacher, "hard", share=0.5)(images, targets)
    heads = [model.get_layer(name).output for name in ("head", "head_distillation")]
    of_class, of_token = keras.Model(model.inputs, heads)(images)
    expected = 0.5 * softmax_cross_entropy(of_class, targets)
    expected += 0.5 * hard_distillation(of_token, told)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(right, answered(model(images), targets))


def test_the_teacher_gets_no_gradient(images, targets, rng):
    model = randomize(tiny_vit(), rng)
    teacher, _ = teacher_of(images)
    objective = distilled(model, teacher)
    with tf.GradientTape() as tape:
        losses, _ = objective(images, targets)
    gradients = tape.gradient(losses, teacher.trainable_variables)
    assert gradients == [None] * len(teacher.trainable_variables)


def test_a_teacher_of_other_classes_is_refused():
    with pytest.raises(ValueError, match=r"same classes.*\(None, 5\) and \(None, 4\)"):
        distilled(tiny_vit(), tiny_vit(num_classes=4))
    with pytest.raises(ValueError, match="one of soft, hard"):
        distilled(tiny_vit(), tiny_vit(), "cold")
