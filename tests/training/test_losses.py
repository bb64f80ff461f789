import numpy as np
import pytest

from keras_vit.training.losses import sigmoid_cross_entropy, softmax_cross_entropy
from keras_vit.training.tasks.distillation import hard_distillation, soft_distillation


@pytest.fixture
def tables(fixtures):
    return np.load(fixtures / "losses.npz")


@pytest.mark.parametrize("kind", ["onehot", "soft"])
@pytest.mark.parametrize(
    ("name", "loss"),
    [("softmax_xent", softmax_cross_entropy), ("sigmoid_xent", sigmoid_cross_entropy)],
)
def test_a_loss_is_that_of_the_reference(tables, kind, name, loss):
    told = loss(tables["logits"], tables[kind])
    np.testing.assert_allclose(told, tables[f"{name}_{kind}"], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("temperature", [1, 2, 10])
def test_soft_distillation_is_that_of_the_reference(tables, temperature):
    told = soft_distillation(tables["logits"], tables["teacher_logits"], temperature)
    np.testing.assert_allclose(told, tables[f"kl_t{temperature}"], rtol=1e-5, atol=1e-5)


def test_hard_distillation_learns_the_teachers_answer(tables):
    logits = tables["logits"].astype(np.float64)
    answers = tables["teacher_logits"].argmax(1)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -log_p[np.arange(len(answers)), answers]
    told = hard_distillation(tables["logits"], tables["teacher_logits"])
    np.testing.assert_allclose(told, expected, rtol=1e-5)
