"""The same steps on one device, on several, and in several processes."""

import subprocess

import ml_dtypes
import numpy as np
import pytest

from support.programs import environment, program
from support.training.workers import cluster, free_port

pytestmark = pytest.mark.slow  # five processes, one after the other
WAYS = ["micro", "mirrored 2", "mirrored 4", "multiworker"]


def started(out, way, **variables):
    return subprocess.Popen(
        program("training.replica_run", out, *way.split()),
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each way gave; two workers give twice the same."""
    folder = tmp_path_factory.mktemp("replicas")
    found = {}
    for way in ["one", *WAYS]:
        out = folder / f"{way}.npz"
        if way == "multiworker":
            addresses = [f"localhost:{free_port()}" for _ in range(2)]
            outs = [out, folder / "second.npz"]
            runs = [
                started(one, way, TF_CONFIG=cluster(index, addresses))
                for index, one in enumerate(outs)
            ]
        else:
            outs, runs = [out], [started(out, way)]
        for run in runs:
            text, _ = run.communicate(timeout=600)
            assert run.returncode == 0, text[-3000:]
        arrays = [dict(np.load(one)) for one in outs]
        for other in arrays[1:]:
            for name, value in arrays[0].items():
                np.testing.assert_array_equal(value, other[name], err_msg=name)
        found[way] = arrays[0]
    return found


NOT_WEIGHTS = (
    "losses",
    "norms",
    "collectives",
    "masks",
    "again",
    "other",
    "poisoned",
    "refused",
)


@pytest.mark.parametrize("way", WAYS)
def test_the_weights_are_those_of_one_device(results, way):
    one, other = results["one"], results[way]
    names = {n for n in one.keys() - {*NOT_WEIGHTS} if " " not in n}
    assert names <= other.keys()
    assert len(names) > 30
    for name in names:
        scale = np.abs(one[name]).max()
        np.testing.assert_allclose(
            other[name] / scale, one[name] / scale, atol=1e-6, err_msg=name
        )
    np.testing.assert_allclose(other["losses"], one["losses"], rtol=2e-6)
    np.testing.assert_allclose(other["norms"], one["norms"], rtol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_adams_moments_and_the_average_are_those_of_one_device(results, way):
    one, other = results["one"], results[way]
    names = [name for name in one if name.startswith("adam ")]
    assert len(names) > 90
    for name in names:
        ours, theirs = (_float32(arrays[name]) for arrays in (one, other))
        if "momentum" in name:  # kept to 1 part in 256
            # A key's bias moves no probability: its gradient is rounding alone.
            atol = 0.01 * np.abs(ours).max() + 1e-8
            np.testing.assert_allclose(theirs, ours, atol=atol, err_msg=name)
        else:
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=2e-5, err_msg=name)


def _float32(array):
    """NumPy writes bfloat16 as two bytes without a meaning."""
    kept = array.view(ml_dtypes.bfloat16) if array.dtype.kind == "V" else array
    return kept.astype(np.float32)


@pytest.mark.parametrize("way", ["micro", "mirrored 2", "mirrored 4"])
def test_a_model_made_before_the_strategy_is_trained_as_on_one_device(results, way):
    names = [name for name in results["one"] if name.startswith("given ")]
    assert len(names) > 20
    for name in names:
        np.testing.assert_allclose(
            results[way][name], results["one"][name], atol=2e-5, err_msg=name
        )


@pytest.mark.parametrize("way", WAYS)
def test_the_same_patches_are_corrupted_as_on_one_device(results, way):
    one, other = results["one"], results[way]
    names = [name for name in one if name.startswith("masked ")]
    assert len(names) > 20
    assert one["masked losses"][-1] < one["masked losses"][0]
    for name in names:
        scale = np.abs(one[name]).max()
        np.testing.assert_allclose(
            other[name] / scale, one[name] / scale, atol=2e-6, err_msg=name
        )


@pytest.mark.parametrize("way", WAYS)
def test_low_rank_products_and_what_they_leave_are_those_of_one_device(results, way):
    one, other = results["one"], results[way]
    names = [name for name in one if name.startswith("low rank ")]
    assert sum("lora" in name for name in names) == 4
    assert len(names) > 20
    for name in names:
        scale = np.abs(one[name]).max()
        np.testing.assert_allclose(
            other[name] / scale, one[name] / scale, atol=2e-6, err_msg=name
        )


@pytest.mark.parametrize("way", ["one", "mirrored 2", "mirrored 4"])
def test_statistics_of_batches_are_refused_on_several_replicas(results, way):
    assert results[way]["refused"] == (way != "one")


def test_the_weights_moved_and_the_gradient_was_clipped(results):
    """So that the comparison above compares something."""
    assert results["one"]["losses"][-1] < results["one"]["losses"][0]
    assert (results["one"]["norms"] > 1).any()


@pytest.mark.parametrize(
    ("way", "count"),
    [("one", 0), ("mirrored 2", 1), ("mirrored 4", 1), ("multiworker", 1)],
)
def test_a_step_has_one_all_reduce(results, way, count):
    assert results[way]["collectives"] == count


@pytest.mark.parametrize("way", ["one", "mirrored 2", "mirrored 4", "multiworker"])
def test_dropout_masks_differ_between_replicas_and_steps_and_repeat(results, way):
    masks = results[way]["masks"]  # step, replica, pixel
    np.testing.assert_allclose(masks * (masks - 2), 0, atol=1e-4)  # 0, or 1 / 0.5
    kept = np.unique(masks.round(2).reshape(-1, masks.shape[-1]), axis=0)
    assert len(kept) == masks.shape[0] * masks.shape[1]  # no mask twice
    np.testing.assert_allclose(masks, results[way]["again"], atol=1e-5)
    assert np.abs(masks - results[way]["other"]).max() > 1


@pytest.mark.parametrize("way", ["one", "mirrored 2", "mirrored 4", "multiworker"])
def test_a_nan_on_one_replica_leaves_all_of_them_as_they_were(results, way):
    assert list(results[way]["poisoned"]) == [False, False]  # updated, moved
