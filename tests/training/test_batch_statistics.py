"""Batch normalisation over the replicas that share a batch."""

import subprocess

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.layers.batch_norm import batch_norm
from support.programs import environment, program

REPLICAS = [1, 2, 4]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch_statistics")
    found = {}
    for replicas in REPLICAS:
        out = folder / f"{replicas}.npz"
        run = program("training.batch_norm_run", out, replicas)
        subprocess.run(run, env=environment(), check=True, timeout=600)
        found[replicas] = dict(np.load(out))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("replicas", REPLICAS[1:])
def test_replicas_share_the_statistics_of_a_batch(results, replicas):
    one, other = results[1], results[replicas]
    statistics = [name for name in one if "moving" in name]
    assert len(statistics) == 14  # of seven layers
    for name in one:
        scale = np.abs(one[name]).max()
        np.testing.assert_allclose(
            other[name] / scale, one[name] / scale, atol=2e-5, err_msg=name
        )
    for name in statistics:
        assert np.abs(one[name] - ("variance" in name)).max() > 0.01, name


def test_on_one_device_it_is_the_mean_and_deviation_of_the_batch(rng):
    x = rng.normal(3, 2, (4, 5, 6, 7)).astype("float32")
    layer = batch_norm()
    found = layer(x, training=True)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * variance, rtol=1e-5)
    before = tf.convert_to_tensor(layer.moving_mean)
    layer(x, training=False)
    layer.trainable = False
    layer(x, training=True)
    np.testing.assert_array_equal(layer.moving_mean, before)
