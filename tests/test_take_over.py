"""Models of other Keras packages, by what those packages gave."""

import types

import keras
import numpy as np
import pytest

from support.examples import load

take_over = load("take_over")


def theirs(fixtures, package):
    """Arrays by path, pixels, and the logits for pixels between -1 and 1.

    Of a model of two blocks and a pre-logits layer with random weights, by
    vit-keras 0.2.0 and KerasHub 0.32.0.
    """
    stored = np.load(fixtures / f"{package}_model.npz")
    arrays = {
        name.removeprefix("weights/"): stored[name]
        for name in stored
        if name.startswith("weights/")
    }
    return arrays, stored["pixels"], stored["logits"]


@pytest.mark.parametrize(("package", "heads"), [("vit_keras", 3), ("keras_hub", None)])
def test_a_model_that_is_taken_over_gives_their_logits_for_plain_pixels(
    fixtures, package, heads
):
    arrays, pixels, logits = theirs(fixtures, package)
    model = take_over.taken_over(arrays, pixels.shape[1:3], heads)
    np.testing.assert_allclose(model(pixels), logits, atol=1e-5)


def test_weights_that_a_vit_has_no_place_for_are_told(fixtures):
    arrays, pixels, _ = theirs(fixtures, "keras_hub")
    arrays["vit_encoder/adapter/kernel"] = np.zeros((2, 2))
    with pytest.raises(ValueError, match="No place for vit_encoder/adapter/kernel"):
        take_over.taken_over(arrays, pixels.shape[1:3])


def test_weights_that_their_model_lacks_are_told(fixtures):
    arrays, pixels, _ = theirs(fixtures, "keras_hub")
    for path in ("vit_patching_and_embedding/class_token", "vit_encoder/ln/gamma"):
        others = {name: array for name, array in arrays.items() if name != path}
        assert len(others) < len(arrays)
        with pytest.raises(ValueError, match="Nothing stands for .*of theirs"):
            take_over.taken_over(others, pixels.shape[1:3])
    with pytest.raises(ValueError, match="Nothing stands for patch_encoder/proj"):
        take_over.taken_over({"dense/kernel": np.zeros((2, 2))}, (32, 32))


def test_a_mean_that_holds_the_class_token_is_not_taken_for_the_class_token(fixtures):
    arrays, pixels, _ = theirs(fixtures, "keras_hub")
    classifier = types.SimpleNamespace(
        pooling="gap",
        backbone=types.SimpleNamespace(layer_norm_epsilon=1e-6, num_heads=2),
    )
    told = take_over.settings_of(classifier)
    with pytest.raises(ValueError, match="class token too. Received: pooling='gap'"):
        take_over.taken_over(arrays, pixels.shape[1:3], **told)


@pytest.mark.parametrize("kind", ["their layers", "their backbone"])
def test_epsilon_is_that_of_their_model(kind, fixtures):
    arrays, pixels, logits = theirs(fixtures, "vit_keras")
    inputs = keras.Input((4, 8))
    norm = keras.layers.LayerNormalization(epsilon=0.5)
    loaded = keras.Model(inputs, norm(inputs))
    if kind == "their backbone":
        backbone = types.SimpleNamespace(layer_norm_epsilon=0.5, num_heads=3)
        loaded = types.SimpleNamespace(backbone=backbone, pooling="token")
    told = take_over.settings_of(loaded) | {"num_heads": 3}
    model = take_over.taken_over(arrays, pixels.shape[1:3], **told)
    tokens = keras.Model(model.input, model.get_layer("block_01").output)(pixels)
    state = tokens.numpy()[:, 0]  # from which on NumPy says what comes
    centred = state - state.mean(-1, keepdims=True)
    state = centred / np.sqrt(centred.var(-1, keepdims=True) + 0.5)
    state = state * arrays["Transformer_encoder_norm/gamma"]
    state = state + arrays["Transformer_encoder_norm/beta"]
    for name, after in (("pre_logits", np.tanh), ("head", lambda x: x)):
        state = after(state @ arrays[f"{name}/kernel"] + arrays[f"{name}/bias"])
    np.testing.assert_allclose(model(pixels), state, atol=1e-5)
    assert np.abs(state - logits).max() > 1e-2
