"""Attention in blocks beside attention of all tokens at once, and its gradients."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import layers
from keras_vit.layers import gradients, memory_efficient_attention, mlp
from keras_vit.layers.differential_attention import DifferentialAttention
from keras_vit.layers.memory_efficient_attention import Dropout, saves_memory
from keras_vit.layers.normalization import LayerNormalization
from support.models import randomize
from support.often import often

GRID = (3, 4)
CHOICES = {
    "plain": {},
    "of normalised queries": {"qk_norm": True},
    "rope": {"position_embedding": "rope_2d", "grid": GRID},
    "offsets": {"position_embedding": "relative", "grid": GRID},
    "few keys": {"config": {"num_key_value_heads": 2}},
    "table": {"grid": GRID, "config": {"relative_bias": {"form": "table"}}},
    "network": {"grid": GRID, "config": {"relative_bias": {"form": "mlp"}}},
    "all of it": {
        "position_embedding": "relative",
        "grid": GRID,
        "config": {"relative_bias": {"form": "table"}, "attention_norm": True},
    },
}
OTHERS = {"table": (0, 1), "all of it": (1,)}  # tokens that are no patches
WAYS = [
    pytest.param(name, others, id=f"{name} {others}")
    for name in CHOICES
    for others in OTHERS.get(name, (0, 2))
]


@pytest.fixture(params=["heads by themselves", "heads together"])
def cut(request, monkeypatch):
    """Blocks of 5 rows or less: 12 tokens and others do not divide by them."""
    alone = request.param == "heads by themselves"
    size = 5 * 13 * 4 if alone else 4 * 12 * 12 * 4
    monkeypatch.setattr(memory_efficient_attention, "BLOCK_BYTES", size)
    return alone


def both(layer, z, monkeypatch, **options):
    """Outputs and gradients, of all at once and in blocks."""
    sizes = options.pop("sizes", None)
    jit_compile = options.pop("jit_compile", False)
    sources = [z, *(weight.value for weight in layer.trainable_variables)]
    made = []
    for fewest in (10**9, 1):
        monkeypatch.setattr(memory_efficient_attention, "FEWEST_TOKENS", fewest)

        @tf.function(jit_compile=jit_compile)
        def step():
            with tf.GradientTape() as tape:
                tape.watch(z)
                out = layer(z, sizes=sizes, **options)
                loss = tf.reduce_sum(tf.sin(3.0 * tf.cast(out, "float32")))
            zero = tf.UnconnectedGradients.ZERO
            found = tape.gradient(loss, sources, unconnected_gradients=zero)
            return out, [tf.convert_to_tensor(one) for one in found]

        made.append(step())
    return made


def assert_same(made, out=2e-6, relative=1e-5):
    """Both relative to the largest; some gradients, as of biases of keys, are 0."""
    (plain, of_plain), (blocks, of_blocks) = made
    np.testing.assert_allclose(blocks, plain, atol=out * largest(plain), rtol=0)
    overall = max(map(largest, of_plain))
    for ours, expected in zip(of_blocks, of_plain, strict=True):
        tolerance = relative * max(largest(expected), 0.1 * overall)
        np.testing.assert_allclose(ours, expected, atol=tolerance, rtol=0)


def largest(x):
    return float(tf.reduce_max(abs(tf.cast(x, "float32"))))


def tokens(rng, count, batch=2):
    return tf.constant(rng.normal(size=(batch, count, 32)), "float32")


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("name", "others"), WAYS)
def test_blocks_give_the_same(name, others, cut, rng, monkeypatch):
    layer = layers.MultiHeadSelfAttention(4, **CHOICES[name])
    z = tokens(rng, others + 12)
    layer.build(z.shape)
    assert_same(both(randomize(layer, rng), z, monkeypatch))


@pytest.mark.parametrize("name", ["offsets", "table", "network"])
def test_eager_calls_give_the_same(name, cut, rng, monkeypatch):
    layer = layers.MultiHeadSelfAttention(4, **CHOICES[name])
    z = tokens(rng, 13)
    layer.build(z.shape)
    randomize(layer, rng)
    plain = layer(z)
    monkeypatch.setattr(memory_efficient_attention, "FEWEST_TOKENS", 1)
    np.testing.assert_allclose(layer(z), plain, atol=2e-6 * largest(plain))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("jit_compile", often([False, True], [True]))
def test_differences_sizes_and_xla(cut, jit_compile, rng, monkeypatch):
    layer = DifferentialAttention(2, index=1)
    z = tokens(rng, 13)
    layer.build(z.shape)
    sizes = tf.constant(rng.integers(1, 9, z.shape[:2]), "int32")
    made = both(
        randomize(layer, rng), z, monkeypatch, sizes=sizes, jit_compile=jit_compile
    )
    assert_same(made, out=5e-6)  # after a norm of each head


@pytest.mark.parametrize("count", [1, 7, 15])
def test_queries_of_another_number(count, cut, rng, monkeypatch):
    layer = layers.MultiHeadSelfAttention(4)
    z, queries = tokens(rng, 13), tokens(rng, count)
    layer.build(z.shape, queries.shape)
    assert_same(both(randomize(layer, rng), z, monkeypatch, queries=queries))


def test_half_precision_is_as_near_as_its_rounding(cut, rng, monkeypatch):
    layer = layers.MultiHeadSelfAttention(4, dtype="mixed_bfloat16")
    z = tokens(rng, 13)
    layer.build(z.shape)
    assert_same(both(randomize(layer, rng), z, monkeypatch), out=0.06, relative=0.03)


def test_dropout_is_of_the_same_probabilities_in_the_gradient(cut, rng):
    """Values of unit vectors show the probabilities that are read."""
    q, k = (tf.constant(rng.normal(size=(2, 4, 13, 8)), "float32") for _ in "qk")
    v = tf.constant(rng.normal(size=(2, 4, 13, 5)), "float32")
    dropout = Dropout(0.4, tf.constant([3, 5]))
    attend = memory_efficient_attention.memory_efficient_attention
    a = tf.nn.softmax(tf.matmul(q, k, transpose_b=True))
    units = tf.broadcast_to(tf.eye(13), (2, 4, 13, 13))
    read = attend(q, k, units, dropout=dropout)
    kept = tf.cast(read != 0, "float32") / 0.6
    np.testing.assert_allclose(read, a * kept, atol=1e-6)
    assert 0.5 < float(tf.reduce_mean(kept)) * 0.6 < 0.7  # of 1,352
    assert len(np.unique(kept.numpy().reshape(-1, 13), axis=0)) > 90  # of 104 rows
    sources = [q, k, v]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(sources)
        expected = tf.matmul(tf.nn.softmax(tf.matmul(q, k, transpose_b=True)) * kept, v)
        out = attend(q, k, v, dropout=dropout)
    np.testing.assert_allclose(out, expected, atol=2e-6)
    up = tf.constant(rng.normal(size=out.shape), "float32")
    for ours, plain in zip(
        tape.gradient(out, sources, up),
        tape.gradient(expected, sources, up),
        strict=True,
    ):
        np.testing.assert_allclose(ours, plain, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("remat", often([False, True], [True]))
def test_a_model_trains_the_same_in_blocks(remat, rng, monkeypatch):
    """Dropout of rate 0 in attention: its masks are others in blocks."""
    model = keras_vit.ViT(
        5,
        image_size=(24, 16),
        patch_size=4,
        num_layers=2,
        hidden_dim=32,
        num_heads=4,
        mlp_dim=48,
        dropout_rate=0.2,
        attention_dropout_rate=0.0,
    )
    randomize(model, rng)
    for layer in model.layers:
        if isinstance(layer, layers.TransformerBlock):
            layer.remat = remat
    images = tf.constant(rng.integers(0, 256, (3, 24, 16, 3)), "uint8")
    made = []
    for fewest in (10**9, 1):
        monkeypatch.setattr(memory_efficient_attention, "FEWEST_TOKENS", fewest)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                layer.seed_generator.state.assign([1, 2])

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.sin(model(images, training=True)))
            weights = [weight.value for weight in model.trainable_variables]
            return loss[None], tape.gradient(loss, weights)

        made.append(step())
    assert_same(made, out=1e-5)


def test_one_seed_makes_one_mask(rng, monkeypatch):
    monkeypatch.setattr(memory_efficient_attention, "FEWEST_TOKENS", 1)
    layer = layers.MultiHeadSelfAttention(4, attention_dropout_rate=0.5)
    z = tokens(rng, 13)
    layer.build(z.shape)
    outs = []
    for seed in (1, 1, 2):
        layer.dropout.seed_generator.state.assign([seed, 0])
        outs.append(layer(z, training=True).numpy())
    np.testing.assert_array_equal(outs[0], outs[1])
    assert not np.allclose(outs[0], outs[2])
    assert not np.allclose(layer(z, training=True), outs[2])  # the next draw
    np.testing.assert_array_equal(layer(z), layer(z, training=False))


def test_few_tokens_are_read_at_once():
    assert not saves_memory(197, 197)
    assert not saves_memory(1, 4097)  # a head that pools by attention
    assert not saves_memory(None, 4097)
    assert saves_memory(1025, 1025)


@pytest.mark.parametrize("name", ["gelu_tanh", "gelu_erf"])
def test_an_activations_own_gradient_is_the_automatic_one(name):
    x = tf.constant(np.linspace(-9, 9, 4001), "float32")
    found = []
    for function in (mlp.ACTIVATIONS[name], mlp.IN_TRAINING[name]):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        found.append((y, tape.gradient(y, x)))
    np.testing.assert_array_equal(found[1][0], found[0][0])
    np.testing.assert_allclose(found[1][1], found[0][1], atol=5e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(3, 40), (2, 5, 40), (2, 3, 4, 40)])
def test_a_layer_norms_own_gradient_is_the_automatic_one(shape, dtype, rng):
    x, up = (tf.cast(rng.normal(size=shape) * 3 + 1, dtype) for _ in range(2))
    gamma, beta = (tf.constant(rng.normal(size=40), "float32") for _ in range(2))
    found = []
    plain = functools.partial(keras.ops.layer_normalization, axis=-1)
    for function in (plain, gradients.layer_normalization):
        with tf.GradientTape() as tape:
            tape.watch([x, gamma, beta])
            y = function(x, gamma, beta, epsilon=1e-6)
        found.append([y, *tape.gradient(y, [x, gamma, beta], tf.cast(up, y.dtype))])
    np.testing.assert_array_equal(found[1][0], found[0][0])
    tolerance = {"float32": 2e-5, "bfloat16": 2e-2}[dtype]
    for ours, expected in zip(found[1][1:], found[0][1:], strict=True):
        ours, expected = (tf.cast(one, "float32") for one in (ours, expected))
        np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("options", [{"axis": 1}, {"scale": False}, {"center": False}])
def test_other_layer_norms_are_kerass_own(options, rng):
    x = tf.constant(rng.normal(size=(2, 5, 8)), "float32")
    ours = LayerNormalization(epsilon=1e-6, **options)
    theirs = keras.layers.LayerNormalization(epsilon=1e-6, **options)
    np.testing.assert_array_equal(ours(x, training=True), theirs(x))
