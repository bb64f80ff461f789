import gc
import weakref

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import inspect
from support.fixture_models import HYBRID, PURE, from_fixture
from support.models import tiny_vit
from support.often import often

IMAGES = np.random.default_rng(1).uniform(0, 255, (3, 16, 24, 3)).astype("float32")


def entering(inside, block):
    """The tokens that the reference saw enter a block, if it wrote them down."""
    name = "tokens_with_posemb" if block == 0 else f"block_{block - 1}"
    return inside.get(name)


def attention(layer, z):
    """Eqs. 5 and 6 behind a norm, in NumPy and float64."""
    w = {one.path.split(f"{layer.name}/")[-1]: one.numpy() for one in layer.weights}
    w = {name: np.asarray(value, np.float64) for name, value in w.items()}
    z = np.asarray(z, np.float64)
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-6)
    z = z * w["norm1/gamma"] + w["norm1/beta"]
    q, k = (
        (z @ w[f"attention/{name}/kernel"] + w[f"attention/{name}/bias"])
        .reshape(*z.shape[:2], layer.num_heads, -1)
        .swapaxes(1, 2)
        for name in ("query", "key")
    )
    a = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    a = np.exp(a - a.max(-1, keepdims=True))
    return a / a.sum(-1, keepdims=True)


@pytest.mark.parametrize("name", PURE)
def test_the_reference_attends_the_same(name, fixtures):
    """To 1e-6 from its own tokens on, where the sums are those of float64.

    From the image on, in float32 on either side, they are 3e-6 apart.
    """
    model, images, inside = from_fixture(name, fixtures)
    for block, a in enumerate(inspect.attention_maps(model, images)):
        reference = inside[f"attn_{block}"]
        exact = attention(
            model.get_layer(f"block_{block:02d}"), entering(inside, block)
        )
        np.testing.assert_allclose(exact, reference, atol=1e-6, rtol=0)
        np.testing.assert_allclose(a, reference, atol=5e-6, rtol=0)


@pytest.mark.parametrize("name", often(HYBRID, [*HYBRID][:1]))
def test_hybrids_attend_as_the_equations_say_of_the_reference_s_tokens(name, fixtures):
    model, images, inside = from_fixture(name, fixtures)
    compared = 0
    for block, a in enumerate(inspect.attention_maps(model, images)):
        z = entering(inside, block)
        if z is None:
            continue
        layer = model.get_layer(f"block_{block:02d}")
        expected = attention(layer, z)
        np.testing.assert_allclose(layer.scores(z), expected, atol=1e-6, rtol=0)
        np.testing.assert_allclose(a, expected, atol=3e-5, rtol=0)
        compared += 1
    assert compared


def test_a_second_look_at_images_of_one_shape_traces_nothing_anew(monkeypatch):
    model, traced = tiny_vit(), []
    block = model.get_layer("block_00")
    scores = block.scores
    monkeypatch.setattr(block, "scores", lambda z: traced.append(z) or scores(z))
    inspect.attention_rollout(model, IMAGES)
    assert traced
    traced.clear()
    inspect.attention_rollout(model, 0 * IMAGES)
    assert not traced
    inspect.attention_rollout(model, IMAGES, fusion="max")  # another model that looks
    assert traced


def test_looking_into_a_model_leaves_it_as_it_was(tmp_path):
    model = tiny_vit(pooling="map", num_layers=1)
    before, weights = model.get_config(), len(model.weights)
    for look in (inspect.attention_maps, inspect.gradient_rollout, inspect.grad_cam):
        look(model, IMAGES)
    assert model.get_config() == before
    assert len(model.weights) == weights
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        again.predict_on_batch(IMAGES), model.predict_on_batch(IMAGES)
    )


FUNCTIONS = (
    *(inspect.attention_maps, inspect.attention_rollout, inspect.head_maps),
    *(inspect.gradient_rollout, inspect.grad_cam, inspect.token_norms),
    *(inspect.attention_distance, inspect.relative_positions),
)


@pytest.mark.parametrize("shape", [(24,), (1, 3, 16, 24), (1, 16, 24, 4)])
def test_arrays_that_are_no_images_are_refused(shape):
    model = tiny_vit(position_embedding="relative", num_layers=1)
    images = np.zeros(shape)
    for look in (
        *FUNCTIONS,
        lambda model, images: inspect.cka_layers(model, model, images),
    ):
        with pytest.raises(ValueError, match=r"Expected .* as an array \(H, W, 3\)"):
            look(model, images)


def test_a_model_without_blocks_is_refused():
    model = keras.Sequential([keras.layers.Dense(3)])
    for look in FUNCTIONS:
        with pytest.raises(ValueError, match="a Vision Transformer"):
            look(model, IMAGES)


def test_what_is_kept_for_a_model_goes_with_it():
    model = tiny_vit(num_layers=1)
    inspect.attention_rollout(model, IMAGES)
    inspect.gradient_rollout(model, IMAGES)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("arguments", "cell"),
    [
        ({}, (8, 8)),
        ({"patch_size": (4, 12)}, (4, 12)),
        ({"image_size": (19, 26)}, (8, 8)),
        (
            {
                "image_size": (37, 50),  # 10 x 13 cells of 4 pixels
                "patch_size": (1, 2),
                "stem": keras_vit.layers.ResNetStem((), 0.5),
            },
            (4, 8),
        ),
        (
            {
                "image_size": (40, 60),
                "patch_size": 2,
                "stem": keras.layers.Conv2D(8, 5, strides=5),
            },
            (10, 10),
        ),
    ],
)
def test_a_cell_is_a_patch_times_the_strides_before_it(arguments, cell):
    assert inspect.cell_size(tiny_vit(**arguments)) == cell


def test_many_looks_on_one_model_bring_no_advice_of_tensorflow(rng, caplog):
    """It warns of a fifth trace of the same code, whose models are different."""
    model = tiny_vit(num_layers=1)
    for look in (
        inspect.attention_maps,
        inspect.attention_rollout,
        inspect.head_maps,
        inspect.attention_distance,
        inspect.gradient_rollout,
        inspect.grad_cam,
        inspect.token_norms,
    ):
        look(model, IMAGES)
    assert "retracing" not in caplog.text
