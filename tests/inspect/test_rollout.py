import numpy as np
import pytest

import keras_vit
from keras_vit import inspect
from keras_vit.pooling import pooling_of
from support.models import randomize, tiny_vit

IMAGES = np.random.default_rng(1).uniform(0, 255, (3, 16, 24, 3)).astype("float32")


def rolled(attentions):
    """Appendix D.8 and arXiv:2005.00928, one image and one row at a time."""
    images = []
    for image in range(len(attentions[0])):
        joint = np.eye(attentions[0].shape[-1])
        for attention in attentions:
            a = sum(attention[image]) / len(attention[image]) + np.eye(len(joint))
            joint = (a / a.sum(axis=-1, keepdims=True)) @ joint
        images.append(joint)
    return np.stack(images)


def test_rollout_is_the_product_of_all_blocks_with_their_residuals(rng):
    attentions = [rng.dirichlet(np.ones(6), size=(2, 4, 6)) for _ in range(3)]
    joint = np.asarray(inspect.rollout([a.astype("float32") for a in attentions]))
    np.testing.assert_allclose(joint, rolled(attentions), atol=1e-6)
    np.testing.assert_allclose(joint.sum(-1), 1, atol=1e-6)


def without_smallest(a, share):
    """The entries of a matrix one by one, from the smallest on, set to 0."""
    a = a.copy()
    for index in np.argsort(a, axis=None)[: int(share * a.size)]:
        a.flat[index] = 0
    return a


FUSED = {"mean": lambda a: sum(a) / len(a), "max": np.maximum.reduce}
FUSED["min"] = np.minimum.reduce


@pytest.mark.parametrize("fusion", FUSED)
@pytest.mark.parametrize("discard", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("residual", [True, False])
def test_heads_are_fused_and_little_attention_discarded(fusion, discard, residual, rng):
    attentions = [rng.dirichlet(np.ones(6), size=(2, 4, 6)) for _ in range(3)]
    expected = []
    for image in range(2):
        joint = np.eye(6)
        for attention in attentions:
            a = without_smallest(FUSED[fusion](attention[image]), discard)
            a = a + np.eye(6) * residual
            joint = a / np.maximum(a.sum(-1, keepdims=True), 1e-9) @ joint
        expected.append(joint)
    attentions = [a.astype("float32") for a in attentions]
    joint = np.asarray(inspect.rollout(attentions, fusion, discard, residual))
    np.testing.assert_allclose(joint, expected, atol=1e-6)
    if residual:
        np.testing.assert_allclose(joint.sum(-1), 1, atol=1e-6)


def test_the_paper_s_form_of_one_block_is_its_attention(rng):
    a = rng.dirichlet(np.ones(6), size=(2, 4, 6)).astype("float32")
    joint = inspect.rollout([a], residual=False)
    np.testing.assert_allclose(joint, a.mean(1), atol=1e-6)


def test_equal_attention_is_none_the_smallest():
    uniform = np.full((1, 2, 4, 4), 0.25, "float32")
    discarded = inspect.rollout([uniform], discard=0.9)
    np.testing.assert_allclose(discarded, inspect.rollout([uniform]), atol=1e-7)


@pytest.mark.parametrize(
    "choice", [{"fusion": "median"}, {"discard": 1.0}, {"discard": -0.1}]
)
def test_choices_that_there_are_not_are_refused_before_work(choice):
    with pytest.raises(ValueError, match=f"{next(iter(choice))} must be"):
        inspect.attention_rollout(tiny_vit(), None, **choice)


def test_the_choices_reach_the_map_of_a_model(rng):
    model = randomize(tiny_vit(), rng)
    joint = inspect.rollout(inspect.attention_maps(model, IMAGES), "max", 0.5, False)
    maps = inspect.attention_rollout(model, IMAGES, "max", 0.5, False)
    expected = np.asarray(joint)[:, 0, -6:].reshape(3, 2, 3)
    np.testing.assert_allclose(maps, expected, atol=1e-6)


def test_the_attention_of_a_block_is_that_of_queries_and_keys(rng):
    """The first block's, from its weights, in NumPy."""
    model = randomize(tiny_vit(num_layers=1), rng)
    (maps,) = inspect.attention_maps(model, IMAGES)
    import keras

    z = keras.Model(model.input, model.get_layer("block_00").input)(IMAGES)
    w = {one.path.split("block_00/")[-1]: one.numpy() for one in model.weights}
    z = np.asarray(z, np.float64)
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-6)
    z = z * w["norm1/gamma"] + w["norm1/beta"]
    q, k = (
        (z @ w[f"attention/{name}/kernel"] + w[f"attention/{name}/bias"])
        .reshape(3, 7, 2, 8)
        .swapaxes(1, 2)
        for name in ("query", "key")
    )
    scores = np.exp(q @ k.swapaxes(2, 3) / np.sqrt(8))
    np.testing.assert_allclose(
        maps, scores / scores.sum(-1, keepdims=True), rtol=1e-4, atol=1e-6
    )


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("arguments", "pooling", "rows"),
    [
        ({}, "token", slice(0, 1)),
        ({"num_registers": 2}, "token", slice(0, 1)),
        ({"distillation": True}, "token", slice(0, 2)),
        ({"pooling": "prefix_gap", "num_registers": 2}, "prefix_gap", slice(0, 3)),
        ({"pooling": "gap"}, "gap", slice(0, 6)),
        ({"pooling": "gap", "class_token": True}, "gap", slice(1, 7)),
        ({"pooling": "gap", "fc_norm": True, "num_registers": 2}, "gap", slice(2, 8)),
    ],
)
def test_a_map_is_what_the_head_reads_of_each_patch(arguments, pooling, rows, rng):
    model = randomize(tiny_vit(**arguments), rng)
    assert pooling_of(model).kind == pooling
    joint = rolled(inspect.attention_maps(model, IMAGES))
    expected = joint[:, rows, -6:].mean(1).reshape(3, 2, 3)
    maps = inspect.attention_rollout(model, IMAGES)
    np.testing.assert_allclose(maps, expected, atol=1e-6)


def test_attention_pooling_weighs_the_patches_by_its_own_attention(rng):
    model = randomize(tiny_vit(pooling="map"), rng)
    assert pooling_of(model).kind == "map"
    joint = rolled(inspect.attention_maps(model, IMAGES))
    import keras

    z = keras.Model(model.input, model.get_layer("pooling").input)(IMAGES)
    weights = np.asarray(model.get_layer("pooling").scores(z)).mean(1)[:, 0]
    expected = np.einsum("bp,bpq->bq", weights, joint).reshape(3, 2, 3)
    np.testing.assert_allclose(
        inspect.attention_rollout(model, IMAGES), expected, atol=1e-6
    )


@pytest.mark.slow
def test_a_hybrid_has_a_map_over_its_feature_map(rng):
    model = keras_vit.R_ViT_Ti16(num_classes=3, image_size=(64, 96))
    maps = inspect.attention_rollout(model, np.zeros((1, 64, 96, 3), "float32"))
    assert maps.shape == (1, 2, 3)  # in cells of 8 x 8, of 4 pixels each


def test_a_model_without_blocks_is_refused():
    with pytest.raises(ValueError, match="which has no such layer"):
        inspect.attention_rollout(
            keras_vit.ResNet_R26(3, image_size=32), np.zeros((1, 32, 32, 3))
        )


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["token", "gap", "map"])
def test_a_model_that_was_loaded_is_rolled_out_too(pooling, rng, tmp_path):
    """Keras counts the names of operations anew where a model was not built."""
    import keras

    model = randomize(tiny_vit(pooling=pooling), rng)
    expected = inspect.attention_rollout(model, IMAGES)
    model.save(tmp_path / "model.keras")
    keras.backend.clear_session()
    loaded = keras.models.load_model(tmp_path / "model.keras")
    received = inspect.attention_rollout(loaded, IMAGES)
    np.testing.assert_allclose(received, expected, atol=1e-6)
