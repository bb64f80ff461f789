import numpy as np
import pytest

from keras_vit.evaluation import embed


@pytest.fixture
def features(rng):
    """Three heaps that lie far apart, in 60 dimensions."""
    heaps = np.repeat(np.arange(3), 20)
    return 30 * np.eye(60)[heaps] + rng.normal(size=(60, 60)), heaps


def test_components_are_those_of_the_singular_value_decomposition(features):
    x, _ = features
    found = embed(x)
    left, values, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    expected = left[:, :2] * values[:2]
    np.testing.assert_allclose(
        np.abs(found.components), np.abs(expected), rtol=1e-3, atol=1e-3
    )
    shares = values**2 / (values**2).sum()
    np.testing.assert_allclose(found.shares, shares[:2], rtol=1e-4)


def test_neighbours_stay_neighbours_and_places_the_same(features):
    x, heaps = features
    found = embed(x)
    places = found.neighbourhood
    distances = np.linalg.norm(places[:, None] - places, axis=-1)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(heaps[distances.argmin(1)], heaps)
    np.testing.assert_array_equal(embed(x).neighbourhood, places)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match=r"4 images or more.*\(3, 8\)"):
        embed(np.zeros((3, 8)))


def test_images_with_the_same_features_have_the_same_place(monkeypatch):
    calls = []
    for estimator in ("decomposition.PCA", "manifold.TSNE"):
        monkeypatch.setattr(
            f"sklearn.{estimator}", lambda *_, **options: calls.append(options)
        )
    found = embed(np.full((20, 8), 3.5))
    assert not calls  # nothing is estimated of them
    assert found.shares == (0, 0)
    assert not found.components.any() and not found.neighbourhood.any()
