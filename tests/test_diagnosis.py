"""What `keras-vit doctor` finds on a machine, and what it advises."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from keras_vit import diagnosis
from keras_vit.cli.main import main
from keras_vit.training import devices


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*args, **kwargs):
        raise AssertionError("the network is used")

    monkeypatch.setattr("socket.socket.connect", refused)


def test_the_command_prints_each_finding_and_ends_with_0(capsys, monkeypatch):
    monkeypatch.setitem(diagnosis.SIZES, "CPU", 32)
    monkeypatch.setattr(diagnosis, "gpus_of_the_driver", list)
    assert main(["doctor", "--seconds=0.01"]) == 0
    text = capsys.readouterr().out
    for words in ("Python 3.", "TensorFlow 2.", "core", "GB free", "in bfloat16"):
        assert words in text


def test_the_speed_is_that_of_two_operations_for_each_product(monkeypatch):
    calls = []
    clock = iter([0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 1.0, 2.0])
    monkeypatch.setattr(diagnosis.time, "perf_counter", lambda: next(clock))
    monkeypatch.setitem(diagnosis.SIZES, "CPU", 1000)
    monkeypatch.setattr(diagnosis, "product", lambda *_: lambda: calls.append(1))
    found = diagnosis.speed(1.5)  # two products in two seconds
    assert found.found == "2 GFLOP/s in float32, 2 GFLOP/s in bfloat16"
    assert len(calls) == 6  # the first of each is not counted


def test_a_gpu_of_the_driver_that_tensorflow_cannot_use_is_a_problem(
    tmp_path, monkeypatch
):
    card = tmp_path / "0000:01:00.0"
    card.mkdir()
    (card / "information").write_text("Model: \t NVIDIA H200\nIRQ: 1\n")
    monkeypatch.setattr(devices, "DRIVER", tmp_path)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = diagnosis.gpus()
    assert found.is_problem
    assert found.found.startswith("NVIDIA H200")
    assert "tensorflow[and-cuda]" in found.advice
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    hidden = diagnosis.gpus()
    assert not hidden.is_problem
    assert "CUDA_VISIBLE_DEVICES=-1 hides them" in hidden.advice


def two_gpus(monkeypatch, folder, product):
    tool = folder / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '143771 MiB\\n143771 MiB\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    cards = [SimpleNamespace(), SimpleNamespace()]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: cards)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda device: {"device_name": "NVIDIA H200"},
    )
    monkeypatch.setattr(diagnosis, "product", product)


def test_gpus_are_counted_with_their_memory(tmp_path, monkeypatch):
    two_gpus(monkeypatch, tmp_path, lambda *_: lambda: None)
    found = diagnosis.gpus()
    assert found.found == "2 x NVIDIA H200, 143771 MiB + 143771 MiB; computing"
    assert "--strategy=mirrored" in found.advice


def test_a_gpu_that_does_not_compute_is_a_problem(tmp_path, monkeypatch):
    def product(device, dtype, size):
        if device == "/GPU:1":
            raise tf.errors.ResourceExhaustedError(None, None, "no memory\nat line 1")
        return lambda: None

    two_gpus(monkeypatch, tmp_path, product)
    found = diagnosis.gpus()
    assert found.is_problem
    assert found.found.endswith("GPU 1 does not compute: no memory")


def test_missing_packages_are_named_with_the_extra_that_brings_them():
    [found] = diagnosis.extras(
        [
            "numpy>=1",
            'keras>=3; extra == "export"',
            'no_such_thing>=1,<2; extra == "export"',
            "no_such[x]>=1; extra == 'hub'",
            'numpy; extra == "serve"',
            'no_such; extra == "dev"',
        ]
    )
    assert found.found == "serve installed"
    assert "export (no_such_thing); hub (no_such)." in found.advice


def test_the_cache_is_measured_and_a_full_disk_reported(tmp_path, monkeypatch):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a.npz").write_bytes(bytes(100_000_000))
    usage = SimpleNamespace(free=123_456_000_000)
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda path: usage)
    found = diagnosis.cache(tmp_path / "kept")
    assert found.found == f"{tmp_path / 'kept'}: 0.1 GB of weights, 123 GB free"
    assert found.advice is None
    usage.free = 1_000_000_000
    assert "KERAS_HOME" in diagnosis.cache(tmp_path / "not" / "yet").advice


def test_threads_that_the_environment_takes_away_are_reported(monkeypatch):
    monkeypatch.setattr(diagnosis, "num_cores", lambda: 8)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert diagnosis.threads().advice.startswith("OMP_NUM_THREADS=2 leaves")


@pytest.mark.slow
def test_python_runs_the_package_as_the_command():
    command = [sys.executable, "-m", "keras_vit", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("keras-vit ")
