"""Keras's optimizers and float16: the same on one device and on two."""

import subprocess

import numpy as np
import pytest

from support.programs import environment, program

pytestmark = pytest.mark.slow  # two processes


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    found = {}
    for way in ("one", "mirrored 2"):
        out = tmp_path_factory.mktemp("objects") / "out.npz"
        subprocess.run(
            program("training.objects_run", out, *way.split()),
            env=environment(),
            check=True,
            timeout=300,
        )
        found[way] = dict(np.load(out))
    return found


@pytest.mark.parametrize("name", ["sgd", "adamw", "nadam", "muon"])
def test_keras_optimizers_make_the_same_update(results, name):
    """Weights and all that the optimizer keeps; compiled by XLA too."""
    one, two = results["one"], results["mirrored 2"]
    names = [key for key in two if key.startswith(f"{name} ")]
    assert len(names) > 5
    for key in names:
        np.testing.assert_allclose(two[key], one[key], atol=1e-6, err_msg=key)
        np.testing.assert_allclose(
            one[f"compiled {key}"], one[key], atol=1e-6, err_msg=key
        )


@pytest.mark.parametrize("way", ["one", "mirrored 2"])
def test_an_overflow_on_one_replica_is_skipped_by_all(results, way):
    told = results[way]
    assert list(told["skipped"]) == [True, False, False]  # updated, moved
    assert told["scale"] == 2.0**14
    assert list(told["then"]) == [False, True]


def test_what_follows_an_overflow_is_that_of_one_device(results):
    one, two = results["one"], results["mirrored 2"]
    names = [key for key in two if key.startswith("half ")]
    assert len(names) == 4
    for key in names:  # in steps of float16
        np.testing.assert_allclose(two[key], one[key], atol=1e-4, err_msg=key)


def test_validation_ends_a_run_and_chooses_its_weights_as_on_one_device(results):
    one, two = results["one"], results["mirrored 2"]
    assert list(one["chosen images"]) == list(two["chosen images"])
    assert list(one["chosen images"]) == ["20", "validation"]
    assert list(one["chosen steps"]) == list(two["chosen steps"])
    names = [key for key in two if key.startswith("chosen ") and "|" in key]
    assert len(names) > 10
    for key in ("chosen losses", "chosen final loss", *names):
        np.testing.assert_allclose(two[key], one[key], atol=2e-6, err_msg=key)
