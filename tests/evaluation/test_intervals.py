import numpy as np
import pytest
from scipy import stats

from keras_vit.evaluation import compare, interval, share_interval
from keras_vit.evaluation.intervals import columns, mcnemar


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_interval_of_many_images_is_the_normal_one(share):
    right = np.arange(10_000) < 10_000 * share
    low, high = interval(right)
    half = 1.96 * np.sqrt(share * (1 - share) / 10_000)
    assert low == pytest.approx(share - half, abs=5e-4)
    assert high == pytest.approx(share + half, abs=5e-4)


@pytest.mark.parametrize("kind", ["right or wrong", "differences", "any"])
def test_the_interval_is_that_of_images_drawn_one_by_one(rng, kind, monkeypatch):
    monkeypatch.setattr("keras_vit.evaluation.intervals.AT_ONCE", 10_000)
    values = {
        "right or wrong": rng.random(60) < 0.7,
        "differences": rng.integers(-1, 2, 60),
        "any": rng.normal(size=60),
    }[kind]
    drawn = rng.choice(values, (200_000, 60)).mean(1)
    expected = np.percentile(drawn, [2.5, 97.5])
    np.testing.assert_allclose(interval(values), expected, atol=0.017)


@pytest.mark.parametrize(
    ("correct", "total"), [(0, 7), (9, 9), (1, 1), (3, 7), (81, 263), (9_650, 10_000)]
)
def test_the_interval_of_a_share_is_wilsons(correct, total):
    found = share_interval(correct, total)
    wilson = stats.binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert found == pytest.approx((wilson.low, wilson.high), rel=1e-12, abs=1e-15)
    assert found[0] <= correct / total <= found[1]
    row = columns("top1", np.arange(total) < correct)
    assert row == {"top1": correct / total, "low": found[0], "high": found[1]}


def test_the_interval_of_a_share_is_the_published_one():
    # Newcombe (1998, Statistics in Medicine 17:857-872), Table I, method 3.
    for correct, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = share_interval(correct, total)
        assert found == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_a_share_takes_any_number_of_images_and_needs_one():
    low, high = share_interval(3 * 10**11, 10**12)  # which no memory would hold
    assert low == pytest.approx(0.3, abs=1e-5) == high
    assert share_interval(np.int64(3 * 10**11), np.int64(10**12)) == (low, high)
    for correct, total in ((0, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match=f"correct={correct}, total={total}"):
            share_interval(correct, total)


@pytest.mark.parametrize("share", [0.8, 0.98])
def test_an_interval_holds_the_truth_19_times_out_of_20(rng, share):
    holds = [
        low <= share <= high
        for low, high in (
            share_interval(right, 400) for right in rng.binomial(400, share, 2000)
        )
    ]
    assert 0.93 <= np.mean(holds) <= 0.97


def test_an_interval_is_the_same_each_time_and_needs_images():
    right = np.arange(50) % 3 == 0
    assert interval(right, seed=4) == interval(right, seed=4)
    assert interval(np.ones(9, bool)) == (1, 1)
    with pytest.raises(ValueError, match="at least 1"):
        interval([])


@pytest.mark.parametrize(
    ("first", "second"), [(0, 0), (1, 0), (5, 5), (3, 9), (40, 12), (900, 1013)]
)
def test_mcnemars_test_is_the_exact_binomial_one(first, second):
    if first + second:
        expected = stats.binomtest(first, first + second).pvalue
        assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    else:
        assert mcnemar(first, second) == 1


def test_two_models_are_compared_on_the_images_where_they_differ(rng):
    first, second = rng.random((2, 500)) < [[0.9], [0.8]]
    found, pairs = compare(first, second), [*zip(first, second, strict=True)]
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.only_first == sum(a > b for a, b in pairs)
    assert found.only_second == sum(b > a for a, b in pairs)
    differences = first.astype(float) - second
    half = 1.96 * differences.std() / np.sqrt(500)
    assert found.low == pytest.approx(found.difference - half, abs=4e-3)
    assert found.high == pytest.approx(found.difference + half, abs=4e-3)
    assert found.is_more_than_noise
    assert "points better on 500 images" in found.sentence()
    assert found.sentence().endswith(": more than noise.")
    back = compare(second, first)
    assert back.difference == -found.difference
    assert "points worse" in back.sentence()


def test_a_model_does_not_differ_from_itself(rng):
    right = rng.random(300) < 0.7
    found = compare(right, right)
    assert (found.low, found.high, found.p_value) == (0, 0, 1)
    assert "as good on 300 images" in found.sentence()
    assert found.sentence().endswith("no more than noise.")
    with pytest.raises(ValueError, match="same images"):
        compare(right, right[1:])


def test_pairing_finds_a_difference_that_two_intervals_do_not(rng):
    hard = rng.random(2000) < 0.3
    first = ~hard
    second = first.copy()
    second[np.flatnonzero(first)[:20]] = False  # 1 point worse, nowhere better
    (low, _), (_, high) = interval(first), interval(second)
    assert low < high  # the intervals overlap
    assert compare(first, second).is_more_than_noise
