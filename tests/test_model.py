import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import layers
from support.fixture_models import HYBRID, PURE, from_fixture
from support.models import randomize, tiny_vit
from support.oracle import Oracle, gelu


@pytest.mark.parametrize("name", PURE)
def test_the_reference_gives_the_same_attention(name, fixtures):
    model, images, inside = from_fixture(name, fixtures)
    for block in range(2):
        layer = model.get_layer(f"block_{block:02d}")
        z = keras.Model(model.input, layer.input)(images)
        # Either stands up to 3e-6 away from the same sums in float64.
        np.testing.assert_allclose(
            layer.scores(z), inside[f"attn_{block}"], atol=5e-6, rtol=0
        )


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", [*PURE, *HYBRID])
def test_the_reference_gives_the_same_encoded_tokens(name, fixtures):
    model, images, inside = from_fixture(name, fixtures)
    encoded = keras.Model(model.input, model.get_layer("norm").output)(images)
    atol = 1e-4 if name in HYBRID else 2e-5
    np.testing.assert_allclose(encoded, inside["encoded"], atol=atol, rtol=0)


ORACLE = {
    "token": {},
    "token, pre-logits and registers": {"representation_size": 12, "num_registers": 3},
    "gap with registers": {"pooling": "gap", "num_registers": 2},
    "map": {"pooling": "map"},
    "LayerScale and norms of queries and keys": {"layer_scale": 0.1, "qk_norm": True},
    "no positions": {"position_embedding": "none"},
    "no head": {"num_classes": None},
    "a remainder": {"image_size": (19, 26)},
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu_erf"])
@pytest.mark.parametrize("case", ORACLE)
def test_the_equations_in_numpy_give_the_same_logits(case, activation, rng):
    arguments = ORACLE[case] | {"activation": activation}
    model = randomize(tiny_vit(**arguments), rng)
    size = model.input_shape[1:]
    images = rng.uniform(0, 255, (3, *size)).astype("float32")
    oracle = Oracle(
        {w.path: w.numpy() for w in model.weights},
        patch=8,
        heads=2,
        activation=activation,
        pooling=arguments.get("pooling", "token"),
    )
    expected, _ = oracle((images - 127.5) / 127.5)
    np.testing.assert_allclose(model(images), expected, atol=2e-5, rtol=2e-5)


def test_the_oracle_tells_the_two_gelus_apart(rng):
    models = [tiny_vit(activation=form) for form in ("gelu_tanh", "gelu_erf")]
    randomize(models[0], rng, scale=0.6)
    models[1].set_weights(models[0].get_weights())
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    assert np.abs(models[0](images) - models[1](images)).max() > 1e-4  # tolerance: 2e-5


def test_uint8_and_float32_pixels_give_the_same_logits(rng):
    model = randomize(tiny_vit(), rng)
    images = rng.integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
    expected = model(images.astype("float32"))
    np.testing.assert_array_equal(model(images), expected)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-6)


def test_a_new_head_is_zero():
    assert not np.any(tiny_vit()(np.full((1, 16, 24, 3), 200.0)))


@pytest.mark.parametrize("num_classes", [5, None])
def test_logits_and_features_are_float32_under_mixed_precision(num_classes):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_vit(num_classes=num_classes)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("block_00").compute_dtype == "bfloat16"
    assert model(np.zeros((1, 16, 24, 3))).dtype == "float32"


def test_weights_have_readable_paths():
    paths = [weight.path for weight in tiny_vit(representation_size=4).weights]
    assert paths[:4] == [
        "patch_encoder/class_token",
        "patch_encoder/position_embedding",
        "patch_encoder/projection/kernel",
        "patch_encoder/projection/bias",
    ]
    assert "block_01/attention/query/kernel" in paths
    assert paths[-4:] == [
        "pre_logits/kernel",
        "pre_logits/bias",
        "head/kernel",
        "head/bias",
    ]


def test_initial_weights_are_as_published():
    model = keras_vit.ViT(num_layers=1, image_size=112)
    weights = {weight.path: weight.numpy() for weight in model.weights}
    xavier = np.sqrt(6 / (768 + 768))
    for name in ("query", "key", "value", "out"):
        kernel = weights[f"block_00/attention/{name}/kernel"]
        assert 0.99 * xavier < np.abs(kernel).max() <= xavier
        assert not weights[f"block_00/attention/{name}/bias"].any()
    xavier = np.sqrt(6 / (768 + 3072))
    for name in ("fc1", "fc2"):
        kernel = weights[f"block_00/mlp/{name}/kernel"]
        assert 0.99 * xavier < np.abs(kernel).max() <= xavier
        assert weights[f"block_00/mlp/{name}/bias"].std() == pytest.approx(
            1e-6, rel=0.1
        )
    projection = weights["patch_encoder/projection/kernel"]
    assert projection.std() == pytest.approx(np.sqrt(1 / 768), rel=0.02)
    positions = weights["patch_encoder/position_embedding"]
    assert positions.std() == pytest.approx(0.02, rel=0.02)
    assert not weights["patch_encoder/class_token"].any()
    assert not weights["head/kernel"].any()


def test_the_layers_before_the_head_begin_as_published():
    model = keras_vit.ViT(pooling="map", representation_size=768, num_layers=1)
    kernel = model.get_layer("pre_logits").kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(1 / 768), rel=0.02)
    probe = model.get_layer("pooling").probe.numpy()
    xavier = np.sqrt(6 / (1 + 768))
    assert 0.95 * xavier < np.abs(probe).max() <= xavier


def test_dropout_falls_in_the_papers_four_places(rng, monkeypatch):
    """Every array that meets a dropout, in order, is the one of the equations."""
    model = randomize(tiny_vit(num_layers=1), rng)
    met = []

    def record(self, x, training=None):
        met.append((np.asarray(x), training))
        return x

    monkeypatch.setattr(keras.layers.Dropout, "call", record)
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    model(images, training=True)
    oracle = Oracle({w.path: w.numpy() for w in model.weights}, patch=8, heads=2)
    z = oracle.tokens(oracle.patches((images - 127.5) / 127.5))
    y, attention = oracle.attend("block_00/attention", oracle.norm("block_00/norm1", z))
    inside = oracle.norm("block_00/norm2", z + y)
    inside = gelu(oracle.dense("block_00/mlp/fc1", inside), "gelu_tanh")
    expected = {
        "the tokens with their positions": z,
        "the attention probabilities": attention,
        "the output of attention": y,
        "behind the MLP's activation": inside,
        "the output of the MLP": oracle.dense("block_00/mlp/fc2", inside),
    }
    assert len(met) == len(expected)
    for (array, training), (place, right) in zip(met, expected.items(), strict=True):
        assert training
        np.testing.assert_allclose(array, right, atol=2e-5, err_msg=place)


def test_dropout_is_active_in_training_alone(rng):
    model = tiny_vit(dropout_rate=0.5, attention_dropout_rate=0.5, drop_path_rate=0.5)
    randomize(model, rng)
    images = rng.uniform(0, 255, (2, 16, 24, 3)).astype("float32")
    plain = model(images)
    assert np.abs(model(images, training=True) - plain).max() > 1e-3
    np.testing.assert_array_equal(model(images), plain)
    rates = {
        layer.rate
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dropout)
    }
    assert rates == {0.5}


def test_pooling_by_attention_tells_how_much_of_each_token_it_reads(rng):
    model = randomize(tiny_vit(pooling="map"), rng)
    pooling = model.get_layer("pooling")
    z = rng.normal(size=(3, 6, 16)).astype("float32")
    oracle = Oracle({w.path: w.numpy() for w in model.weights}, patch=8, heads=2)
    probe = np.repeat(oracle.weights["pooling/probe"], 3, axis=0)
    _, expected = oracle.attend("pooling/attention", z, probe)
    np.testing.assert_allclose(pooling.scores(z), expected, atol=1e-6)


def test_stochastic_depth_grows_from_the_first_block_to_the_last():
    model = tiny_vit(num_layers=3, drop_path_rate=0.2)
    rates = [model.get_layer(f"block_{b:02d}").drop_path.rate for b in range(3)]
    assert rates == pytest.approx([0, 0.1, 0.2])


def test_a_model_trains_with_keras_fit(rng):
    model = tiny_vit(dropout_rate=0.1, drop_path_rate=0.1)
    images = rng.integers(0, 256, (40, 16, 24, 3), dtype=np.uint8)
    labels = (images.mean((1, 2, 3)) > 127.5).astype(int)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(images, labels, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_any_model_that_gives_a_feature_map_is_a_stem():
    stem = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), include_top=False, weights=None, alpha=0.35
    )
    model = tiny_vit(image_size=64, stem=stem, patch_size=1)
    assert model.get_layer("patch_encoder").output.shape == (None, 1 + 2 * 2, 16)


def test_numpys_integers_are_integers():
    assert tiny_vit(image_size=np.int64(16)).input_shape == (None, 16, 16, 3)


@pytest.mark.parametrize("argument", ["patch_size", "stem"])
def test_what_a_variant_settles_cannot_be_given(argument):
    with pytest.raises(TypeError, match=f"sets {argument}. Use keras_vit.ViT"):
        keras_vit.R_ViT_Ti16(**{argument: 8})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": (8, 224), "patch_size": 16}, r"height >= 16.*\(8, 224\)"),
        ({"image_size": "big"}, "image_size must be a positive integer or a pair"),
        ({"image_size": (1, 2, 3)}, "image_size must be a positive integer or a pair"),
        ({"patch_size": 0}, "patch_size must be a positive integer"),
        ({"hidden_dim": 15}, "num_heads must divide.*num_heads=2, hidden_dim=15"),
        (
            {"pooling": "all"},
            "one of token, gap, map, .*. Received: pooling='all'",
        ),
        ({"activation": "relu"}, "one of gelu_tanh, gelu_erf.*'relu'"),
        (
            {"position_embedding": "x"},
            "position_embedding must be one of learned, none",
        ),
        (
            {"position_embedding": "relative", "position_embedding_at": "input"},
            "'relative' goes with position_embedding_at='every_layer'. Rec.*'input'",
        ),
        (
            {"position_embedding_at": "exit"},
            "='input' or 'every_layer' or 'every_layer_shared'. Received: .*'exit'",
        ),
        (
            {"position_embedding": "learned_2d", "hidden_dim": 15, "num_heads": 3},
            "needs an even hidden_dim. Received: hidden_dim=15",
        ),
        (
            {"position_embedding": "rope_2d", "num_heads": 8},
            "heads whose features 4 divides. Received: hidden_dim=16, num_heads=8",
        ),
        ({"num_classes": 0}, "num_classes must be an integer of at least 1, or None"),
        ({"num_layers": 0}, "num_layers must be an integer of at least 1. Received"),
        ({"num_registers": -1}, "num_registers must be an integer of at least 0"),
        ({"drop_path_rate": 1.5}, "drop_path_rate must lie in"),
        ({"dropout_rate": -0.5}, "dropout_rate must lie in"),
        ({"dropout_rate": None}, "dropout_rate must lie in"),
        ({"hidden_dim": -16}, "hidden_dim must be an integer of at least 1"),
        ({"num_heads": 0}, "num_heads must be an integer of at least 1"),
        ({"num_classes": True}, "num_classes must be an integer"),
        ({"image_size": 16.0}, "image_size must be a positive integer or a pair"),
        ({"class_token": False}, "reads the class token"),
        ({"distillation": True, "pooling": "gap"}, "distillation needs"),
        ({"fc_norm": True}, 'fc_norm goes with pooling="gap"'),
        (
            {"stem": layers.ResNetStem((1,), 0.5), "patch_size": 8},
            r"at least one patch, 8 x 8. Received: \(None, 4, 6, 128\)",
        ),
        (
            {"block": {"attention": "differential", "rotary": {}}},
            "neither rotary, nor relative_bias, nor num_key_value_heads",
        ),
        (
            {"block": {"attention": "differential"}, "position_embedding": "relative"},
            "no positions of its own. .*position_embedding='relative'",
        ),
        (
            {"block": {"attention": "differential"}, "num_heads": 16},
            "halves the features of a head. Received: 1 features of a head",
        ),
        (
            {"block": {"num_branches": 2, "layout": "parallel"}},
            "Received: num_branches=2, layout='parallel'",
        ),
        ({"block": {"num_branches": 0}}, "num_branches of a block must be at least 1"),
        (
            {"block": {"num_branches": 2}, "token_merging": 1},
            "num_branches=1. Received: num_branches=2",
        ),
    ],
)
def test_a_wrong_argument_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny_vit(**arguments)
