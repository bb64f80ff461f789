import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.logits import logits_model
from keras_vit.weights import merge_tokens, resize
from support.models import randomize, tiny_vit

CHANGES = {
    "merge_tokens": lambda model: merge_tokens(model, 1),
    "resize to other patches": lambda model: resize(model, patch_size=4),
    "resize to other images": lambda model: resize(model, (32, 40)),
}
IMAGES = {
    name: np.random.default_rng(3).uniform(0, 255, (2, *size, 3)).astype("float32")
    for name, size in dict.fromkeys(CHANGES, (16, 24)).items()
}
IMAGES["resize to other images"] = np.ones((2, 32, 40, 3), "float32")


@pytest.mark.parametrize("change", CHANGES)
def test_a_softmax_behind_a_model_stays_behind_the_changed_one(change, rng):
    model = randomize(tiny_vit(), rng)
    appended = keras.layers.Dense(3, activation="softmax", name="after")
    whole = keras.Model(model.input, keras.layers.ReLU()(appended(model.output)))
    before = [np.array(one) for one in whole.get_weights()]
    logits = np.asarray(CHANGES[change](model)(IMAGES[change]))
    scores = logits @ np.asarray(appended.kernel) + np.asarray(appended.bias)
    shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    new = CHANGES[change](whole)
    np.testing.assert_allclose(new(IMAGES[change]), shares, atol=1e-5)
    for array, again in zip(before, whole.get_weights(), strict=True):
        np.testing.assert_array_equal(array, again)


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_of_one_output_is_changed_as_two_logits_too(change, rng):
    model = randomize(tiny_vit(num_classes=1), rng)
    two = np.asarray(CHANGES[change](logits_model(model))(IMAGES[change]))
    one = np.asarray(CHANGES[change](model)(IMAGES[change]))
    np.testing.assert_allclose(two[:, 1] - two[:, 0], one[:, 0], atol=1e-5)


def test_a_sequential_model_is_resized():
    model = keras.Sequential(
        [
            keras.Input((16, 24, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    new = resize(model, (32, 40))
    assert new.input_shape == (None, 32, 40, 3)
    for weight, other in zip(new.weights, model.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_a_model_around_a_vit_is_refused_in_words_and_the_vit_inside_is_resized():
    vit = tiny_vit()
    inputs = keras.Input((16, 24, 3))
    around = keras.Model(inputs, keras.layers.Softmax()(vit(inputs)))
    for model in (around, keras.Sequential([inputs, vit])):
        with pytest.raises(ValueError, match=f"Pass that one.*{vit.name}"):
            keras_vit.resize(model, (32, 40))
        inner = keras_vit.resize(model.get_layer(vit.name), (32, 40))
        assert inner.input_shape == (None, 32, 40, 3)


def test_what_was_changed_before_the_head_is_refused_in_three_parts(rng):
    model = tiny_vit()
    doubled = keras.Model(model.input, keras.layers.Add()([model.output] * 2))
    with pytest.raises(ValueError, match="Expected.*Received: .*Do this first"):
        merge_tokens(doubled, 1)
