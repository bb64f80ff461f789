import numpy as np
import pytest

from keras_vit.evaluation.least_squares import (
    LeastSquares,
    few_shot,
    first_of_each_class,
)


@pytest.fixture(scope="module")
def published(fixtures):
    """What big_vision's evaluator gave."""
    with np.load(fixtures / "fewshot_lsr.npz") as found:
        return dict(found)


@pytest.mark.parametrize("case", ["NgeD", "DgtN"])  # the primal, the dual form
@pytest.mark.parametrize("l2", [1, 1024])
def test_weights_and_scores_are_those_of_big_vision(case, l2, published):
    given = {name: published[f"{case}_{name}"] for name in ("xtr", "ytr", "xte", "yte")}
    targets = 2 * np.eye(published[f"{case}_num_classes"])[given["ytr"]] - 1
    fit = LeastSquares(given["xtr"], targets)
    expected = {
        name: published[f"{case}_l2_{l2}_{name}"] for name in ("w", "scores", "acc")
    }
    for name, told in (
        ("w", fit.weights(l2)),
        ("scores", fit.scores(given["xte"], l2)),
    ):
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(told, expected[name], atol=1e-3 * scale)
    answers = fit.argmax(given["xte"], [3.0, l2])[1]
    assert (answers == given["yte"]).mean() == pytest.approx(float(expected["acc"]))


def test_accuracies_by_shots_and_seeds_are_those_of_big_vision(published):
    train, test = (
        (published[f"full_repr_{split}"], published[f"full_labels_{split}"])
        for split in ("train", "test")
    )
    found = few_shot(train, test, int(published["full_num_classes"]))
    expected = [
        [published[f"full_seed{seed}_shots{shots}_acc"] for seed in found.seeds]
        for shots in found.shots
    ]
    np.testing.assert_allclose(found.accuracy[..., 0], expected, atol=1e-3)
    np.testing.assert_allclose(found.mean[:, 0], np.mean(expected, 1), atol=1e-6)
    deviation = np.std(expected, 1) * np.sqrt(3 / 2)
    np.testing.assert_allclose(found.deviation[:, 0], deviation, atol=1e-6)


def test_images_are_chosen_as_big_vision_chooses_them(published):
    labels = published["full_labels_train"]
    for seed in (0, 1, 2):
        chosen = first_of_each_class(labels, 6, seed)[0]
        np.testing.assert_array_equal(chosen, published[f"full_seed{seed}_class0_perm"])


@pytest.mark.parametrize("shape", [(60, 5), (12, 40)])
def test_both_forms_solve_the_normal_equations(shape, rng):
    x, y = rng.normal(3, 2, size=shape), rng.normal(size=(shape[0], 3))
    fit = LeastSquares(x, y)
    x = (x - x.mean(0)) / (x.std(0) + 1e-5)
    x = np.concatenate([x, np.full((len(x), 1), 100.0)], 1)
    for l2 in (0.01, 5.0, 2000.0):
        w = fit.weights(l2)
        np.testing.assert_allclose(x.T @ (x @ w - y) + l2 * w, 0, atol=1e-6)


def test_many_images_are_classified_in_parts(rng):
    x, y = rng.normal(size=(50, 6)), rng.integers(0, 4, 50)
    fit = LeastSquares(x, np.eye(4)[y])
    many = rng.normal(size=(9000, 6))
    np.testing.assert_array_equal(
        fit.argmax(many, [2.0, 8.0]), [fit.scores(many, l2).argmax(1) for l2 in (2, 8)]
    )


def test_a_class_without_images_is_refused(rng):
    data = rng.normal(size=(9, 2)), np.array([0] * 6 + [2] * 3)
    with pytest.raises(ValueError, match="none of class 1"):
        few_shot(data, data, 3)
