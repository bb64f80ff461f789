import keras
import numpy as np
import pytest

from keras_vit.layers import PatchDropout
from keras_vit.training.tasks.masked_patch_prediction import MaskedPatchPrediction
from keras_vit.weights import replace_head, resize
from support.models import randomize, tiny_vit


def numbered(images, tokens, width=2):
    """Tokens that hold their own number."""
    places = np.arange(tokens, dtype=np.float32)[:, None]
    return np.broadcast_to(places, (images, tokens, width))


def kept_by(layer, images, tokens):
    """Which tokens a call leaves in, as numbers `(images, M)`."""
    kept = np.asarray(layer(numbered(images, tokens), training=True))
    assert (kept == kept[..., :1]).all()  # whole tokens
    return kept[..., 0].astype(int)


@pytest.mark.parametrize(("rate", "stay"), [(0.5, 5), (0.25, 7), (0.99, 1), (0.0, 9)])
def test_so_many_patches_stay_in_their_order_and_every_other_token(rate, stay):
    kept = kept_by(PatchDropout(rate, num_other_tokens=3, seed=1), 50, 3 + 9)
    assert kept.shape == (50, 3 + stay)
    assert (kept[:, :3] == [0, 1, 2]).all()
    assert (np.diff(kept, axis=1) > 0).all()
    assert kept[:, 3:].min() >= 3


def test_every_pair_of_patches_is_as_likely_to_stay():
    images, patches = 20_000, 6
    kept = kept_by(PatchDropout(0.5, num_other_tokens=1, seed=1), images, 1 + patches)
    stays = np.zeros((images, 1 + patches))
    np.put_along_axis(stays, kept, 1, axis=1)
    together = stays[:, 1:].T @ stays[:, 1:] / images
    expected = np.where(np.eye(patches), 3 / 6, 3 / 6 * 2 / 5)
    np.testing.assert_allclose(together, expected, atol=0.015)


def test_each_call_draws_anew_and_inference_leaves_nothing_out():
    layer, z = PatchDropout(0.5, seed=1), numbered(64, 10)
    first, second = (kept_by(layer, 64, 10) for _ in range(2))
    assert (first != second).any(axis=1).mean() > 0.9
    assert len(np.unique(first, axis=0)) > 50  # an image's draw is its own
    np.testing.assert_array_equal(layer(z), z)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_registers": 2},
        {"pooling": "gap", "class_token": True},
        {"pooling": "map", "position_embedding": "sincos_2d"},
    ],
)
def test_training_sees_what_is_left_in_and_pools_it(arguments, rng):
    model = randomize(tiny_vit(patch_dropout_rate=0.5, **arguments), rng)
    images = rng.uniform(0, 255, (3, 16, 24, 3)).astype("float32")
    layer, norm = model.get_layer("patch_dropout"), model.get_layer("norm")
    z = np.asarray(keras.Model(model.input, layer.input)(images))
    state = layer.seed_generator.state
    before = keras.ops.copy(state.value)
    logits = model(images, training=True)
    state.assign(before)
    kept = kept_by(layer, 3, z.shape[1])

    z = np.take_along_axis(z, kept[..., None], axis=1)
    assert z.shape[1] == layer.num_other_tokens + 3  # of 6
    for block in range(2):
        z = model.get_layer(f"block_{block:02d}")(z)
    z = np.asarray(norm(z))
    patches = z[:, layer.num_other_tokens :]
    pooled = {"token": lambda: z[:, 0], "gap": lambda: patches.mean(axis=1)}
    if arguments.get("pooling") == "map":
        pooled["map"] = lambda: model.get_layer("pooling")(patches)
    features = pooled[arguments.get("pooling", "token")]()
    expected = model.get_layer("head")(features)
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=1e-4)
    plain = tiny_vit(**arguments)
    plain.set_weights([w.numpy() for w in model.weights if "seed" not in w.path])
    np.testing.assert_array_equal(model(images), plain(images))


def test_it_outlasts_saving_resizing_and_another_head(tmp_path, rng):
    randomize(tiny_vit(patch_dropout_rate=0.5), rng).save(tmp_path / "a.keras")
    model = keras.models.load_model(tmp_path / "a.keras")
    new = replace_head(resize(model, (40, 48)), 3)
    images = np.zeros((2, 40, 48, 3), np.float32)
    states = keras.Model(new.input, [new.get_layer("norm").output, new.output])
    assert states(images)[0].shape == (2, 1 + 30, 16)
    assert states(images, training=True)[0].shape == (2, 1 + 15, 16)


@pytest.mark.parametrize(
    "arguments",
    [
        {"position_embedding": "relative"},
        {"position_embedding": "rope_2d"},
        {"position_embedding_at": "every_layer"},
        {"position_embedding_at": "every_layer_shared"},
    ],
)
def test_blocks_that_need_the_whole_grid_refuse_it(arguments):
    with pytest.raises(ValueError, match="positions must come in at the input"):
        tiny_vit(patch_dropout_rate=0.5, **arguments)
    tiny_vit(patch_dropout_rate=0.0, **arguments)


def test_what_asks_for_any_patch_refuses_it():
    vit = tiny_vit(patch_dropout_rate=0.5)
    with pytest.raises(ValueError, match="needs all patches"):
        MaskedPatchPrediction(vit)
    with pytest.raises(ValueError, match="patch_dropout_rate must lie in"):
        tiny_vit(patch_dropout_rate=1.0)
    with pytest.raises(ValueError, match="rate must lie in"):
        PatchDropout(rate=-0.1)
