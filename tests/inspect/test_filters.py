import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

from keras_vit import inspect
from keras_vit.baselines import ResNet
from keras_vit.layers import ResNetStem
from support.models import randomize, tiny_vit


def hybrid(**arguments):
    stem = ResNetStem((1,), width_factor=0.5, name="stem")
    sizes = {"image_size": (32, 48), "patch_size": 2, "stem": stem}
    return tiny_vit(**(sizes | arguments))


def aligned(components, others):
    """With the sign of each flipped to that of the other."""
    signs = np.sign(np.sum(components * others, axis=1, keepdims=True))
    return components * signs


@pytest.mark.parametrize("patch_size", [8, (4, 8)])
def test_components_are_those_of_the_filters_of_the_embedding(patch_size, rng):
    model = randomize(tiny_vit(patch_size=patch_size, hidden_dim=64), rng)
    filters = model.get_layer("patch_encoder").projection.kernel.numpy().T  # 64, F
    pca = PCA(n_components=28, svd_solver="full").fit(filters.astype("float64"))
    received = inspect.patch_filters(model)
    assert received.shape == (28, *model.get_layer("patches").patch_size, 3)
    flat = received.reshape(28, -1)
    np.testing.assert_allclose(
        aligned(flat, pca.components_), pca.components_, atol=1e-6
    )
    shares = inspect.filter_shares(model)
    np.testing.assert_allclose(shares, pca.explained_variance_ratio_, rtol=1e-6)


def test_a_component_is_a_patch_of_pixels_row_by_row(rng):
    """All filters are multiples of one picture, so that is the only component."""
    model = tiny_vit()
    picture = rng.normal(size=(8, 8, 3))
    picture[3, 5, 1] = 9  # the largest weight, which settles the sign
    images = np.zeros((1, 16, 24, 3), "float32")
    images[0, 8:, 16:] = -picture
    (patch,) = np.asarray(model.get_layer("patches")(images))[0, 1, 2:]
    kernel = np.outer(patch, rng.normal(size=16))
    model.get_layer("patch_encoder").projection.kernel.assign(kernel)
    (component,) = inspect.patch_filters(model)
    np.testing.assert_allclose(component, picture / np.linalg.norm(picture), atol=1e-6)
    np.testing.assert_allclose(inspect.filter_shares(model), [1])


def test_there_are_no_more_components_than_filters_span(rng):
    model = randomize(tiny_vit(), rng)  # 16 filters of 192 weights
    assert inspect.patch_filters(model, 28).shape == (15, 8, 8, 3)
    assert inspect.patch_filters(model, 3).shape == (3, 8, 8, 3)
    assert inspect.filter_shares(model).sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="count must be at least 1"):
        inspect.patch_filters(model, 0)


def test_the_filters_of_a_hybrid_are_those_its_root_applies(rng):
    model = randomize(hybrid(), rng)
    root = model.get_layer("stem").conv
    filters = inspect.root_filters(model)
    assert filters.shape == (32, 7, 7, 3)
    np.testing.assert_allclose(filters.mean((1, 2, 3)), 0, atol=1e-6)
    image = np.zeros((1, 15, 15, 3), "float32")
    image[0, 7, 7] = 1, 2, 3  # a dot paints the filter, turned by half
    painted = np.asarray(root(image))[0, 2:6, 2:6]  # of every second pixel
    turned = np.einsum("fhwc,c->hwf", filters, [1, 2, 3])[::-1, ::-1]
    places = np.arange(4) * 2
    np.testing.assert_allclose(painted, turned[np.ix_(places, places)], atol=1e-4)
    components = inspect.patch_filters(model, 40)
    assert components.shape == (31, 7, 7, 3)
    pca = PCA(svd_solver="full").fit(filters.reshape(32, -1))
    received = components.reshape(31, -1)
    expected = pca.components_[:31]
    np.testing.assert_allclose(aligned(received, expected), expected, atol=1e-5)


def test_a_stem_of_your_own_has_a_root_too(rng):
    inputs = keras.Input((16, 24, 3))
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same", name="first")(inputs)
    x = keras.layers.Conv2D(3, 1)(keras.layers.ReLU()(x))
    stem = keras.Model(inputs, x, name="own")
    model = randomize(tiny_vit(stem=stem, patch_size=4), rng)
    kernel = stem.get_layer("first").kernel.numpy()
    np.testing.assert_allclose(
        inspect.root_filters(model), kernel.transpose(3, 0, 1, 2)
    )
    assert inspect.patch_filters(model).shape == (4, 3, 3, 3)


def test_a_model_without_such_filters_is_refused():
    pooled = keras.Sequential([keras.layers.AveragePooling2D(2)], name="pool")
    for model in (tiny_vit(stem=pooled, patch_size=4), keras.Sequential(name="none")):
        with pytest.raises(ValueError, match="whose first filters read RGB"):
            inspect.patch_filters(model)
    with pytest.raises(ValueError, match="a stem that begins with a convolution"):
        inspect.root_filters(tiny_vit())


def test_filters_are_found_in_a_model_that_was_loaded(rng, tmp_path):
    for model in (
        tiny_vit(num_layers=1),
        hybrid(),
        ResNet(blocks=(1,), width_factor=0.5, num_classes=3, image_size=32),
    ):
        randomize(model, rng).save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        filters = inspect.patch_filters(model)
        np.testing.assert_array_equal(inspect.patch_filters(loaded), filters)
