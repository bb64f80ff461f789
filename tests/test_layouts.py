"""Weights that are spread over devices train on JAX as on one device, less on each."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_vit
from support.examples import EXAMPLES
from support.programs import environment, program

on_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed"
)
WIDE = {"num_heads": 8, "hidden_dim": 64, "mlp_dim": 128, "num_classes": 8}
ADAM = 2  # moments of each weight
COUNTERS = 8  # bytes: steps taken, learning rate
KINDS = {  # of models, whose weights are spread by two and four
    "rms and SwiGLU without biases": {
        "activation": "silu",
        "block": {"norm": "rms", "mlp": "gated", "qkv_bias": "none", "use_bias": False},
        "patch_norm": True,
    },
    "few keys, rotary positions": {
        "block": {"num_key_value_heads": 2, "rotary": {}},
        "position_embedding": "none",
        "qk_norm": True,
    },
    "differential in parallel": {
        "block": {"attention": "differential", "layout": "parallel"},
    },
    "branches, attention that pools": {
        "block": {"num_branches": 2, "relative_bias": {"form": "mlp"}},
        "layer_scale": 0.1,
        "pooling": "map",
        "class_token": False,
    },
    "blocks that differ": {
        "block": [{"mlp": "gated"}, {"num_key_value_heads": 1, "mlp_norm": True}],
        "representation_size": 20,
    },
    "dropout": {
        "dropout_rate": 0.2,
        "attention_dropout_rate": 0.2,
        "drop_path_rate": 0.2,
    },
    "hybrid": {"stem": True, "num_layers": 1},
    "what four devices do not divide": {
        "num_heads": 3,
        "hidden_dim": 18,
        "mlp_dim": 36,
        "num_classes": 9,
    },
}


ONE, MANY = None, [2, 4]
MESHES = {"data": 1, (8, 1): 1, (1, 8): 8, (2, 4): 4, (4, 2): 2}  # and shares


@pytest.fixture(scope="module")
def fitted():
    """Return a function of a kind and a mesh: all fits are of one process."""
    models = {kind: WIDE | choices for kind, choices in KINDS.items()}
    models["one layer"] = WIDE | {"num_layers": 1}
    asked = [(kind, mesh) for kind in models for mesh in (ONE, MANY)]
    models["plain"] = WIDE
    asked += [("plain", mesh) for mesh in (ONE, *MESHES)]
    cases = [{"model": models[kind], "mesh": mesh} for kind, mesh in asked]
    named = [json.dumps(one) for one in asked]
    found = dict(zip(named, results_of(cases), strict=True))
    return lambda kind, mesh: found[json.dumps([kind, mesh])]


def results_of(cases):
    run = subprocess.run(
        program("fit_on_devices", json.dumps(cases)),
        env=environment(KERAS_BACKEND="jax"),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def bytes_of(num_layers, devices):
    """Of the weights that a device holds of the model `WIDE`, by arithmetic."""
    width, hidden, classes, tokens, pixels = 64, 128, 8, 2 * 3 + 1, 8 * 8 * 3
    spread = pixels * width + width + tokens * width  # patches, positions
    spread += width * classes
    block = 3 * (width * width + width) + width * width
    block += width * hidden + hidden + hidden * width
    whole = width + 2 * width + classes  # class token, last norm, head
    block_whole = width + width + 2 * 2 * width  # out, fc2, norms
    spread, whole = spread + num_layers * block, whole + num_layers * block_whole
    return 4 * (spread // devices + whole)


@pytest.mark.slow
@on_jax
def test_weights_on_several_devices_train_as_on_one(fitted):
    one, many = fitted("one layer", ONE), fitted("one layer", MANY)
    assert one["losses"][-1] < one["losses"][0]
    np.testing.assert_allclose(many["losses"], one["losses"], atol=1e-5, rtol=0)
    assert one["weights"] == bytes_of(1, 1)
    assert many["weights"] == bytes_of(1, 4)
    assert many["slots"] == ADAM * bytes_of(1, 4) + COUNTERS


@on_jax
@pytest.mark.slow
@pytest.mark.parametrize("mesh", MESHES, ids=str)
def test_every_mesh_of_eight_devices_trains_as_one_device(fitted, mesh):
    one, result = fitted("plain", ONE), fitted("plain", mesh)
    np.testing.assert_allclose(result["losses"], one["losses"], atol=1e-5, rtol=0)
    expected = bytes_of(2, MESHES[mesh])
    assert result["weights"] == expected
    assert result["slots"] == ADAM * expected + COUNTERS


@on_jax
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_models_of_other_choices_train_as_on_one_device(fitted, kind):
    one, many = fitted(kind, ONE), fitted(kind, MANY)
    assert one["losses"][-1] != one["losses"][0]
    np.testing.assert_allclose(many["losses"], one["losses"], atol=1e-5, rtol=0)
    fits = kind != "what four devices do not divide"
    assert many["weights"] < one["weights"] * (0.5 if fits else 1)


@on_jax
@pytest.mark.slow
def test_the_example_spreads_its_model_over_all_devices():
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / "model_parallel.py"), "10"],
        env=environment(
            KERAS_BACKEND="jax",
            XLA_FLAGS="--xla_force_host_platform_device_count=8",
            JAX_PLATFORMS="cpu",
            NPROC="64",
        ),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    first, last = run.stdout.splitlines()
    assert first == (
        "8 devices: a batch in 2 parts, weights in 4; each holds 26% of the model"
    )
    assert last.endswith("% after 10 steps")
    assert float(last.split()[2].rstrip("%")) > 15  # 10: by chance


def test_keras_spreads_no_weights_on_another_backend():
    assert keras.backend.backend() == "tensorflow"
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax. Received: tensorflow"):
        keras_vit.distribution.layout_map(keras_vit.ViT_Ti16)


ON_JAX = """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"
from keras.distribution import DeviceMesh
import keras_vit
from keras_vit.distribution import layout_map
from support.models import tiny_vit

mesh = DeviceMesh((2, 4), ("batch", "model"))
"""
OF_L = """
import random, sys
import pytest

drawn = random.getstate()
of_l = layout_map(lambda: keras_vit.ViT_L16(num_classes=21_843), mesh)
assert random.getstate() == drawn
assert of_l["block_23/mlp/fc1/kernel"].axes == (None, "model")
assert of_l["block_23/mlp/fc2/kernel"].axes == ("model", None)
assert of_l["model/block_00/attention/out/kernel"].axes == ("model", None)
assert of_l["block_00/attention/out/bias"] is None
assert of_l["head/kernel"].axes == ("model", None)  # 21,843 is odd
assert of_l.device_mesh is mesh
assert len(layout_map(tiny_vit, DeviceMesh((8, 1), ("batch", "model")))) == 0
assert layout_map(tiny_vit).device_mesh.shape == (1, 8)
assert len(layout_map(tiny_vit, DeviceMesh((8,), ("batch",)), axis="batch")) > 10
with pytest.raises(ValueError, match="batch, model. Received: 'width'"):
    layout_map(tiny_vit, mesh, axis="width")
for wrong in (3, lambda: None):
    with pytest.raises(TypeError, match="function that returns one. Received: "):
        layout_map(wrong, mesh)
assert "tensorflow" not in sys.modules
"""
OF_EVERY_CHOICE = """
from support.choice_table import CHOICES

for name, arguments in CHOICES.items():
    built = tiny_vit(**arguments)
    one = layout_map(built, mesh)
    other = layout_map(lambda: tiny_vit(**arguments), mesh)
    assert {k: v.axes for k, v in one.items()} == {k: v.axes for k, v in other.items()}
    for weight in built.weights:
        layout = one[weight.path]  # raises where two patterns match
        if weight.path.endswith("kernel") and "relative" not in weight.path:
            divides = [size % 4 == 0 for size in weight.shape]
            assert (layout is not None) == any(divides), (name, weight.path)
        for size, axis in zip(weight.shape, layout.axes if layout else ()):
            assert axis is None or size % 4 == 0, (name, weight.path)
"""


def runs_on_jax(code):
    run = subprocess.run(
        [sys.executable, "-c", ON_JAX + code],
        env=environment(KERAS_BACKEND="jax"),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.mark.slow
@on_jax
def test_layouts_follow_from_paths_and_shapes():
    runs_on_jax(OF_L)


@on_jax
@pytest.mark.slow
def test_every_choice_of_blocks_has_layouts_that_divide():
    runs_on_jax(OF_EVERY_CHOICE)
