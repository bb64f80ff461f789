import keras
import numpy as np
import pytest

from keras_vit import inspect
from keras_vit.inspect.blocks import attending_layers
from support.models import randomize, tiny_vit

IMAGES = np.random.default_rng(1).uniform(0, 255, (2, 16, 24, 3)).astype("float32")
STEP = 3e-3
POOLINGS = {
    "token": {},
    "distillation": {"distillation": True, "num_registers": 1},
    "gap": {"pooling": "gap", "fc_norm": True},
    "map": {"pooling": "map"},
    "map over all": {
        "pooling": {"kind": "map", "prefix_tokens": True, "num_heads": 4},
        "class_token": True,
    },
    "max": {"pooling": "max"},
    "gap_max": {"pooling": "gap_max"},
}


def differences(function, x):
    """The gradient of a function of a batch, at one x: central differences.

    To a few thousandths, since logits are float32.
    """
    steps = STEP * np.eye(x.size).reshape(-1, *x.shape)
    return ((function(x + steps) - function(x - steps)) / (2 * STEP)).reshape(x.shape)


def logit(model, number, image):
    """Of attention that is forced on each layer, the logit of a class."""
    attending = attending_layers(model)
    ends = [layer.input for layer in attending[1:]] + [model.output]
    tails = [keras.Model(one.output, model.output) for one in attending]
    between = [
        (lambda z: z) if one.output is end else keras.Model(one.output, end)
        for one, end in zip(attending, ends, strict=True)
    ]
    z = keras.Model(model.input, attending[0].input)(image[None])
    for layer, tail, after in zip(attending, tails, between, strict=True):

        def given(a, layer=layer, tail=tail, z=z):
            zs = np.repeat(np.asarray(z), len(a), axis=0)
            return np.asarray(tail(layer.given(zs, a)))[:, number]

        yield np.asarray(layer.scores(z))[0], given
        z = after(layer(z))


def chefer(model, number, image):
    """Eqs. 5 and 6 of arXiv:2103.15679, with gradients by differences."""
    weighed = [
        np.maximum(differences(given, a) * a, 0).mean(0)
        for a, given in logit(model, number, image)
    ]
    joint = np.eye(weighed[0].shape[-1])
    for a in weighed[:2]:
        joint = joint + a @ joint
    for a in weighed[2:]:  # the pooling's own attention, to what is pooled
        return (a @ joint[-a.shape[-1] :, -6:]).reshape(2, 3)
    joint = joint - np.eye(len(joint))
    encoder = model.get_layer("patch_encoder")
    token = slice(0, 2 if encoder.distillation_token else 1)
    rows = slice(-6, None) if not encoder.class_token else token
    return joint[rows, -6:].mean(0).reshape(2, 3)


@pytest.fixture(params=POOLINGS)
def model(request, rng):
    """In float64 but for the logits."""
    keras.config.set_dtype_policy("float64")
    try:
        model = tiny_vit(**POOLINGS[request.param])
    finally:
        keras.config.set_dtype_policy("float32")
    for weight in model.weights:
        if "float" in weight.dtype and "preprocessing" not in weight.path:
            weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


@pytest.mark.one_in(9)
def test_gradient_rollout_is_what_differences_of_attention_give(model):
    received = inspect.gradient_rollout(model, IMAGES, classes=[3, 1])
    for image, number, one in zip(IMAGES, (3, 1), received, strict=True):
        expected = chefer(model, number, image)
        assert expected.max() > 0
        np.testing.assert_allclose(one, expected, atol=0.01 * expected.max())


@pytest.mark.one_in(3)
def test_grad_cam_is_what_differences_of_tokens_give(model):
    received = inspect.grad_cam(model, IMAGES, classes=[3, 1])
    last = model.get_layer("block_01")
    entering = np.asarray(keras.Model(model.input, last.input)(IMAGES))
    rest = keras.Model(last.input, model.output)
    for z, number, one in zip(entering, (3, 1), received, strict=True):
        gradient = differences(lambda z, n=number: np.asarray(rest(z))[:, n], z)
        weights = gradient[-6:].mean(0)
        expected = np.maximum(z[-6:] @ weights, 0).reshape(2, 3)
        scale = np.abs(z[-6:] @ weights).max()
        np.testing.assert_allclose(one, expected, atol=0.01 * scale)


@pytest.mark.parametrize("look", [inspect.gradient_rollout, inspect.grad_cam])
def test_without_classes_it_is_the_answer_that_is_explained(look, rng):
    model = randomize(tiny_vit(), rng)
    answers = model.predict_on_batch(IMAGES).argmax(-1)
    np.testing.assert_array_equal(look(model, IMAGES), look(model, IMAGES, answers))
    other = (answers + 1) % 5
    assert np.abs(look(model, IMAGES) - look(model, IMAGES, other)).max() > 0
    both = look(model, IMAGES, classes=2)
    np.testing.assert_array_equal(both, look(model, IMAGES, classes=[2, 2]))


@pytest.mark.parametrize("classes", [5, -1, [0], [0, 5], 1.5, "cat"])
def test_classes_that_the_model_has_not_are_refused(classes):
    with pytest.raises(ValueError, match="from 0 to 4, or one for each of 2 images"):
        inspect.gradient_rollout(tiny_vit(), IMAGES, classes)


def test_a_model_without_a_head_has_no_class():
    with pytest.raises(ValueError, match="a model with a head"):
        inspect.grad_cam(tiny_vit(num_classes=None), IMAGES)


def test_other_backends_are_told_to_be_without_gradients(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NotImplementedError, match="need the TensorFlow backend"):
        inspect.gradient_rollout(tiny_vit(), IMAGES)
