import keras
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Split
from keras_vit.evaluation import (
    Context,
    Predictions,
    evaluation_of,
    fit_temperature,
    reliability,
    scaled,
)
from keras_vit.evaluation.calibration import calibration, lacks
from keras_vit.evaluation.temperature import COLDEST, HOTTEST
from keras_vit.model_files import save_model
from support.models import randomize, tiny_vit
from support.scripted import Scripted


def drawn(rng, count, classes, temperature):
    """Logits, and labels that are as likely as they say at that temperature."""
    logits = rng.normal(scale=3, size=(count, classes)).astype(np.float32)
    shares = softmax(logits / temperature, axis=1)
    labels = np.array([rng.choice(classes, p=row / row.sum()) for row in shares])
    return Predictions(logits, labels)


def drawn_several(rng, count, classes, temperature):
    logits = rng.normal(scale=3, size=(count, classes)).astype(np.float32)
    labels = rng.random((count, classes)) < expit(logits / temperature)
    return Predictions(logits, labels.astype(int), "sigmoid")


def expected_error(confidence, true, bins=15):
    """Guo et al. 2017, Eq. 3, bin by bin."""
    total = 0
    for m in range(bins):
        inside = (confidence > m / bins) & (confidence <= (m + 1) / bins)
        if inside.any():
            gap = abs(true[inside].mean() - confidence[inside].mean())
            total += inside.sum() / len(confidence) * gap
    return total


def test_the_expected_error_is_that_of_a_loop_over_bins(rng):
    answers = drawn(rng, 500, 4, 2.5)
    shares = softmax(answers.logits.astype(np.float64), axis=1)
    right = shares.argmax(1) == answers.labels
    found = reliability(answers)
    expected = expected_error(shares.max(1), right)
    assert found.expected_error == pytest.approx(expected, rel=1e-9)
    assert expected > 0.1  # these logits are far too sure
    assert found.counts.sum() == 500
    inside = (shares.max(1) > 9 / 15) & (shares.max(1) <= 10 / 15)
    assert found.counts[9] == inside.sum()
    assert found.accuracy[9] == pytest.approx(right[inside].mean())
    assert found.confidence[9] == pytest.approx(shares.max(1)[inside].mean())
    assert np.isnan(found.accuracy[0])  # nothing is below a quarter


def test_by_sigmoid_every_probability_is_a_forecast(rng):
    answers = drawn_several(rng, 300, 5, 2.0)
    found = reliability(answers)
    shares = expit(answers.logits.astype(np.float64)).ravel()
    expected = expected_error(shares, answers.labels.ravel())
    assert found.expected_error == pytest.approx(expected, rel=1e-9)
    assert found.counts.sum() == 1500


def test_a_bin_holds_its_upper_edge():
    logits = np.log(np.array([[0.2, 0.8], [0.8, 0.2]]))
    found = reliability(Predictions(logits, np.array([0, 0])), bins=5)
    assert found.counts.tolist() == [0, 0, 0, 2, 0]


def test_the_fitted_temperature_is_that_of_scipys_minimiser(rng):
    one, several = drawn(rng, 400, 6, 2.5), drawn_several(rng, 400, 6, 0.4)

    def entropy(temperature):
        log_p = log_softmax(one.logits.astype(np.float64) / temperature, axis=1)
        return -log_p[np.arange(400), one.labels].mean()

    def entropies(temperature):
        z = several.logits.astype(np.float64) / temperature
        return -np.where(several.labels, log_expit(z), log_expit(-z)).sum(1).mean()

    for answers, loss in ((one, entropy), (several, entropies)):
        best = minimize_scalar(
            loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-9}
        )
        found = fit_temperature(answers)
        assert found == pytest.approx(best.x, rel=1e-5)
        assert evaluation_of(answers.divided(found)).loss == pytest.approx(best.fun)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(rng, temperature):
    answers = drawn(rng, 4000, 5, temperature)
    found = fit_temperature(answers)
    assert found == pytest.approx(temperature, rel=0.1)
    assert reliability(answers.divided(found)).expected_error < 0.025


def test_answers_that_say_all_or_nothing_end_at_the_bounds(rng):
    labels = rng.integers(0, 3, 200)
    right = np.eye(3, dtype=np.float32)[labels]
    best = fit_temperature(Predictions(right, labels))
    assert COLDEST <= best < 0.05  # where no loss is left
    assert evaluation_of(Predictions(right, labels).divided(best)).loss < 1e-12
    assert fit_temperature(Predictions(-right, labels)) == pytest.approx(HOTTEST)
    large = Predictions(1e4 * rng.normal(size=(200, 3)).astype(np.float32), labels)
    assert fit_temperature(large) == pytest.approx(HOTTEST)


HEADS = {
    "token": {},
    "gap": {"pooling": "gap", "fc_norm": True},
    "map": {"pooling": "map"},
    "distillation": {"distillation": True},
    "hidden layer": {"representation_size": 8},
}


@pytest.mark.parametrize("options", HEADS.values(), ids=HEADS)
def test_a_scaled_model_divides_its_logits_and_leaves_the_first_alone(rng, options):
    model = randomize(tiny_vit(num_layers=1, **options), rng)
    images = rng.integers(0, 256, (3, 16, 24, 3)).astype(np.float32)
    before = np.asarray(model(images))
    other = scaled(model, 2.5)
    np.testing.assert_allclose(other(images), before / 2.5, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model(images), before)


def test_a_scaled_model_is_saved_as_any_other(rng, tmp_path):
    model = tiny_vit(num_layers=1, evaluation_preprocessing="timm:0.9")
    other = scaled(randomize(model, rng), 2.5)
    images = rng.integers(0, 256, (3, 16, 24, 3)).astype(np.float32)
    save_model(other, tmp_path / "model.keras", [*"abcde"])
    loaded = Classifier.of(tmp_path).model
    np.testing.assert_array_equal(loaded(images), other(images))
    assert loaded.get_layer("preprocessing").evaluation.crop_fraction == 0.9


def test_a_model_in_mixed_precision_is_scaled_in_float32(rng):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomize(tiny_vit(), rng)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    images = rng.integers(0, 256, (3, 16, 24, 3)).astype(np.float32)
    np.testing.assert_allclose(
        2 * np.asarray(scaled(model, 2.0)(images)), model(images), rtol=1e-6
    )


def test_what_cannot_be_scaled_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        scaled(tiny_vit(), 0)
    with pytest.raises(ValueError, match="Expected a classifier"):
        scaled(tiny_vit(num_classes=None), 2)


def told(answers, validation=0):
    """A `Context` whose model gives those answers to its splits."""
    numbers = np.arange(len(answers))
    images = np.stack([numbers % 256, numbers // 256, 0 * numbers], axis=1)
    images = images[:, np.newaxis, np.newaxis].astype(np.uint8)
    split = Split(images, answers.labels)
    parts = np.split(numbers, [validation])
    dataset = Dataset(
        "drawn",
        split,
        split.subset(parts[1]),
        tuple("abcdef"[: answers.num_classes]),
        split.subset(parts[0]) if validation else None,
    )
    return Context(Scripted(answers.logits), dataset)


def test_calibration_is_reported_on_images_other_than_it_is_fitted_on(rng):
    answers = drawn(rng, 1000, 4, 2.5)
    part = calibration(told(answers, validation=400))
    held_out, reported = answers.subset(slice(400)), answers.subset(slice(400, None))
    best = fit_temperature(held_out)
    before, after = part.rows[:2]
    assert (before["temperature"], after["temperature"]) == (1, best)
    assert before["forecasts"] == after["forecasts"] == 600
    assert before["error"] == reliability(reported).expected_error
    assert after["error"] == reliability(reported.divided(best)).expected_error
    assert after["loss"] == pytest.approx(evaluation_of(reported.divided(best)).loss)
    assert "on the validation split" in part.title


def test_without_a_validation_split_half_the_test_images_are_kept_apart(rng):
    answers = drawn(rng, 1000, 4, 2.5)
    part = calibration(told(answers))
    assert [row["forecasts"] for row in part.rows[:2]] == [500, 500]
    assert part.rows[1]["error"] < 0.5 * part.rows[0]["error"]
    bins = [row for row in part.rows[2:] if row["temperature"] == 1]
    assert sum(row["forecasts"] for row in bins) == 500
    total = sum(row["forecasts"] * row["error"] for row in bins)
    assert total / 500 == pytest.approx(part.rows[0]["error"])
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in part.rows)
    assert lacks(told(answers.subset(slice(1)))).startswith("one image is too few")
    assert lacks(told(answers)) is None


def test_several_classes_an_image_can_be_calibrated(rng):
    part = calibration(told(drawn_several(rng, 600, 4, 2.5)))
    assert part.rows[0]["forecasts"] == 300 * 4
    assert part.rows[1]["temperature"] == pytest.approx(2.5, rel=0.2)
    assert part.rows[1]["error"] < 0.5 * part.rows[0]["error"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("wrong", "the largest that is tried: an even larger one may be better"),
        ("far too low", "the smallest that is tried"),
        ("right", "it leaves no loss"),
        ("usual", None),
    ],
)
def test_a_temperature_at_the_bound_of_its_search_is_said_to_be(kind, said, rng):
    labels = np.arange(200) % 3
    ones = np.eye(3, dtype=np.float32)[labels]
    noise = rng.normal(size=(200, 3)).astype(np.float32)
    logits = {
        "wrong": -ones,
        "far too low": 1e-4 * (3 * ones + noise),
        "right": ones,
        "usual": 3 * ones + noise,
    }[kind]
    title = calibration(told(Predictions(logits, labels))).title
    assert ("That temperature is" in title) == (said is not None)
    assert (said or "") in title
