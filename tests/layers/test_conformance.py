"""What every layer owes its user."""

import importlib.util
import inspect
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vit import layers
from support.layer_table import IN_TRAINING, LAYERS
from support.models import randomize, tiny_vit
from support.programs import environment, program

BACKENDS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"{name} is not installed"
        ),
    )
    for name in ("tensorflow", "jax", "torch")
]

every_layer = pytest.mark.parametrize("name", LAYERS)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Every layer in a model, and whole models, saved with an input and an output."""
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    models = {}
    for name, (layer, arguments, given, _) in LAYERS.items():
        x = keras.Input(given[1:])
        models[name] = keras.Model(x, layer(**arguments)(x)), given
    stem = layers.ResNetStem((1,), 0.5, name="stem")
    for name, arguments in {
        "ViT token": {"representation_size": 8},
        "ViT gap": {"pooling": "gap", "num_registers": 2, "layer_scale": 0.1},
        "ViT map": {"pooling": "map", "qk_norm": True, "activation": "gelu_erf"},
        "ViT hybrid": {"stem": stem, "patch_size": 1},
        "ViT max": {"pooling": {"kind": "gap_max", "prefix_tokens": True}},
        "ViT of other choices": {
            "pooling": "token_gap",
            "block": [{"norm": "rms", "mlp": "gated"}, {"norm": "rms"}],
            "activation": "silu",
            "patch_norm": True,
            "patch_bias": False,
            "pre_norm": True,
            "head_bias": False,
        },
        "ViT parallel": {
            "pooling": "max",
            "block": {"layout": "parallel", "relative_bias": {}},
            "final_norm": False,
        },
        "ViT merging": {"token_merging": 2, "pooling": "gap", "num_registers": 1},
    }.items():
        models[name] = tiny_vit(**arguments), (2, 16, 24, 3)
    for name, (model, given) in models.items():
        x = rng.uniform(0, 255 if name.startswith("ViT") else 1, given).astype(
            "float32"
        )
        randomize(model, rng, scale=0.1).save(folder / f"{name}.keras")
        np.save(folder / f"{name}.input.npy", x)
        np.save(folder / f"{name}.expected.npy", model(x))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_saved_layer_answers_the_same_in_a_new_process_on(backend, saved):
    subprocess.run(
        program("run_saved_layers", saved),
        env=environment(KERAS_BACKEND=backend),
        check=True,
    )
    answers = sorted(saved.glob(f"*.{backend}.npy"))
    assert len(answers) == len(LAYERS) + 8
    for path in answers:
        expected = np.load(str(path).replace(f".{backend}.npy", ".expected.npy"))
        np.testing.assert_allclose(
            np.load(path), expected, atol=2e-5, rtol=1e-4, err_msg=path.name
        )


@every_layer
def test_gives_the_shape_it_says(name):
    layer, arguments, given, expected = LAYERS[name]
    built = layer(**arguments)
    assert built.compute_output_shape(given) == expected
    assert built(np.zeros(given)).shape == expected
    assert layer(**arguments)(keras.KerasTensor(given)).shape == expected


@every_layer
def test_is_rebuilt_exactly_by_its_config(name):
    layer, arguments, given, _ = LAYERS[name]
    first = layer(**arguments, dtype="mixed_bfloat16", name="some_name")
    config = keras.saving.serialize_keras_object(first)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is layer
    assert again.get_config() == first.get_config()
    for argument, value in arguments.items():
        assert argument in again.get_config(), f"{argument} is not in the config"
        kept = again.get_config()[argument]
        assert kept == value or tuple(np.ravel(kept)) == (value,) * np.size(kept)
    for one in (first, again):
        one.build(given)
    assert [w.path for w in again.weights] == [w.path for w in first.weights]


@pytest.mark.one_in(2)
@every_layer
@pytest.mark.parametrize(
    ("policy", "compute", "variable"),
    [
        ("mixed_bfloat16", "bfloat16", "float32"),
        ("mixed_float16", "float16", "float32"),
        ("bfloat16", "bfloat16", "bfloat16"),
        ("float64", "float64", "float64"),
    ],
)
def test_follows_its_dtype_policy_in_every_part(name, policy, compute, variable):
    layer, arguments, given, _ = LAYERS[name]
    built = layer(**arguments, dtype=policy)
    answer = built(np.ones(given, "float32"), training=True)
    assert keras.backend.standardize_dtype(answer.dtype) == compute
    assert {w.dtype for w in built.trainable_weights} <= {variable}
    for part in built._flatten_layers():
        assert part.compute_dtype == compute, part.name


@pytest.mark.one_in(6)
@every_layer
def test_compiles_with_xla(name, rng):
    layer, arguments, given, _ = LAYERS[name]
    built = layer(**arguments)
    x = tf.constant(rng.normal(size=given), tf.float32)
    plain = built(x)

    @tf.function(jit_compile=True)
    def compiled(x):
        return built(x, training=False), built(x, training=True)

    answer, trained = compiled(x)
    assert trained.shape == IN_TRAINING.get(name, plain.shape)
    np.testing.assert_allclose(answer, plain, atol=2e-5)


def test_no_layer_escapes_the_table():
    public = {
        value
        for value in vars(layers).values()
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer)
    }
    merging = {layers.MergingBlock}  # of two outputs: `test_token_merging`
    assert {row[0] for row in LAYERS.values()} == public - merging
