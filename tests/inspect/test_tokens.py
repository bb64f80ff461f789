import keras
import numpy as np
import pytest

from keras_vit import inspect
from support.fixture_models import from_fixture
from support.models import randomize, tiny_vit

IMAGES = np.random.default_rng(1).uniform(0, 255, (3, 16, 24, 3)).astype("float32")


@pytest.mark.parametrize("name", ["vit_tiny_token", "hybrid_stem_p8"])
def test_norms_are_those_of_the_reference_s_tokens(name, fixtures):
    model, images, inside = from_fixture(name, fixtures)
    states = [inside["tokens_with_posemb"], inside["block_0"], inside["block_1"]]
    norms = np.linalg.norm(np.stack(states), axis=-1)
    rows, columns = model.get_layer("patch_encoder").grid
    patches = norms[..., 1:].reshape(3, len(images), rows, columns)
    np.testing.assert_allclose(inspect.token_norms(model, images), patches, rtol=1e-4)
    others = inspect.token_norms(model, images, of="others")
    np.testing.assert_allclose(others, norms[..., :1], rtol=1e-4)


def test_other_tokens_are_all_that_are_no_patches(rng):
    model = randomize(tiny_vit(distillation=True, num_registers=3), rng)
    assert inspect.token_norms(model, IMAGES, of="others").shape == (3, 3, 5)
    none = inspect.token_norms(tiny_vit(pooling="gap"), IMAGES, of="others")
    assert none.shape == (3, 3, 0)


def test_a_patch_that_is_long_is_long_in_its_place(rng):
    """One position of the table made a hundred times longer."""
    model = randomize(tiny_vit(num_registers=2), rng, scale=0.02)
    table = model.get_layer("patch_encoder").positions
    value = table.numpy()
    value[0, 1 + 4] = 10  # the fifth patch: row 1, column 1
    table.assign(value)
    norms = inspect.token_norms(model, IMAGES)
    assert (norms.reshape(3, 3, 6).argmax(-1) == 4).all()


def test_other_kinds_of_tokens_are_refused():
    with pytest.raises(ValueError, match="of must be patches or others"):
        inspect.token_norms(tiny_vit(), IMAGES, of="registers")


@pytest.mark.parametrize("of", ["patches", "others"])
def test_no_more_than_a_batch_is_looked_at_at_once(of, rng, monkeypatch):
    model = randomize(tiny_vit(num_registers=1), rng)
    whole = inspect.token_norms(model, IMAGES, of)
    sizes = []
    predict = keras.Model.predict_on_batch

    def watched(self, batch):
        sizes.append(len(batch))
        return predict(self, batch)

    monkeypatch.setattr(keras.Model, "predict_on_batch", watched)
    parts = inspect.token_norms(model, IMAGES, of, batch_size=2)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)
    assert sizes == [2, 1]
    batches = (IMAGES[:1], IMAGES[1:])
    np.testing.assert_allclose(inspect.token_norms(model, batches, of), whole, 1e-5)
    with pytest.raises(ValueError, match="at least one image"):
        inspect.token_norms(model, [], of)
