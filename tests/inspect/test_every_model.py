"""All that looks into a model, on every kind of model that there is."""

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import inspect, layers
from support.models import randomize, tiny_vit

pytestmark = pytest.mark.slow  # a look at every model

IMAGES = np.random.default_rng(1).uniform(0, 255, (2, 16, 24, 3)).astype("float32")
MODELS = {
    "tokens": {"distillation": True, "num_registers": 2, "qk_norm": True},
    "one block": {"pooling": "gap", "fc_norm": True, "num_layers": 1},
    "map": {"pooling": "map", "class_token": True, "layer_scale": 0.1},
    "hybrid": {"patch_size": (2, 1), "stem": layers.ResNetStem((), 0.5)},
}
CASES = [  # what is asked for below is harder in bfloat16
    *(("tokens", "mixed_bfloat16"), ("map", "mixed_bfloat16")),
    *(("one block", "float32"), ("hybrid", "float32")),
]


def made(case, policy, rng):
    keras.config.set_dtype_policy(policy)
    try:
        return randomize(tiny_vit(**MODELS[case]), rng)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(("case", "policy"), CASES)
def test_every_look_works_on_a_model_from_a_file(case, policy, rng, tmp_path):
    made(case, policy, rng).save(tmp_path / "model.keras")
    keras.backend.clear_session()
    model = keras.models.load_model(tmp_path / "model.keras")
    blocks, grid = len(inspect.attention_maps(model, IMAGES)), (2, 3)
    if case == "hybrid":
        grid = (2, 6)
    assert model.get_layer("patch_encoder").grid == grid

    looks = {
        "rollout": inspect.attention_rollout(model, IMAGES),
        "relevance": inspect.gradient_rollout(model, IMAGES),
        "grad_cam": inspect.grad_cam(model, IMAGES, 1),
    }
    for name, maps in looks.items():
        assert maps.shape == (2, *grid), name
        assert maps.dtype == np.float32, name
        assert np.isfinite(maps).all(), name
        assert (maps >= 0).all(), name
    heads = inspect.head_maps(model, IMAGES)
    assert heads.shape == (blocks, 2, 2, *grid)
    for shares in (looks["rollout"], heads):
        whole = shares.sum((-2, -1))
        assert ((whole > 0) & (whole < 1 + 1e-3)).all()
    norms = inspect.token_norms(model, IMAGES)
    assert norms.shape == (blocks + 1, 2, *grid)
    assert (np.isfinite(norms) & (norms > 0)).all()
    distances = inspect.attention_distance(model, IMAGES)
    assert distances.shape == (blocks, 2)
    assert ((distances > 0) & (distances < np.hypot(16, 24))).all()


def test_a_model_that_merges_tokens_says_how_to_look_at_it(rng, tmp_path):
    plain = randomize(tiny_vit(pooling="gap"), rng)
    model = keras_vit.merge_tokens(plain, 2)
    looks = (
        *(inspect.attention_maps, inspect.attention_rollout, inspect.head_maps),
        *(inspect.attention_distance, inspect.token_norms),
        *(inspect.gradient_rollout, inspect.grad_cam),
        lambda model, images: inspect.cka_layers(plain, model, images),
    )
    for look in looks:
        with pytest.raises(ValueError, match=r"merges 2 tokens in each block. keras_v"):
            look(model, IMAGES)
    written = inspect.report(model, IMAGES, tmp_path)
    assert set(written.figures) == {"filters", "positions"}
    assert "merge_tokens(model, 0)" in written.skipped["rollout"]
    again = inspect.attention_maps(keras_vit.merge_tokens(model, 0), IMAGES)
    for one, other in zip(again, inspect.attention_maps(plain, IMAGES), strict=True):
        np.testing.assert_array_equal(one, other)
