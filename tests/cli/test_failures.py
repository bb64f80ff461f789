"""What goes wrong in a command ends in one line, whichever library says it."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vit.cli import train
from keras_vit.cli.failures import is_out_of_memory, line_of
from keras_vit.cli.main import main

OOM = (
    "{{function_node __wrapped__MatMul_device_/device:GPU:0}} OOM when allocating "
    "tensor with shape[4096,197,768] and type float on /device:GPU:0\n\n"
    "Detected at node 'x' defined at (most recent call last):\n  File ..."
)
NAMED = ("batch_size", "accumulation_steps", "image_size", "remat")


def jax_error():
    class XlaRuntimeError(RuntimeError):
        pass

    return XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")


def torch_error():
    class OutOfMemoryError(RuntimeError):
        pass

    return OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, OOM),
        tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        MemoryError(),
        jax_error(),
        torch_error(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_is_one_line_that_names_what_to_lower(error, monkeypatch, capsys):
    def stopped(values):
        raise error

    monkeypatch.setattr(train, "run", stopped)
    assert main(["train"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith("keras-vit train: Out of memory. Expected")
    assert f"Received: {type(error).__name__}" in err
    assert all(name in err for name in NAMED)
    assert "function_node" not in err and "Detected at" not in err


def test_an_array_that_numpy_cannot_allocate_is_out_of_memory():
    with pytest.raises(MemoryError) as raised:
        np.empty((2**50,), np.float64)
    assert is_out_of_memory(raised.value)


def test_a_step_that_runs_out_of_memory_ends_a_run_in_one_line(
    monkeypatch, capsys, tmp_path
):
    def out_of_memory(*_):
        raise tf.errors.ResourceExhaustedError(None, None, OOM)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "keras_vit.training.trainer.training_step", lambda *_, **__: out_of_memory
    )
    assert main(["train", "--set=epochs=1", "--set=batch_size=100"]) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("keras-vit train: Out of memory.")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (tf.errors.InvalidArgumentError, "Incompatible shapes: [2,3] vs. [4,3]"),
        (tf.errors.NotFoundError, "runs/x/variables; No such file or directory"),
        (tf.errors.DataLossError, "truncated record at 9"),
        (tf.errors.ResourceExhaustedError, "x.tfrecord; Too many open files"),
    ],
)
def test_other_errors_of_tensorflow_have_three_parts_too(kind, text):
    line, status = line_of(kind(None, None, f"{text}\n\nDetected at node 'x'"))
    assert status == 2
    assert line.startswith("Expected TensorFlow to finish its work. Received: ")
    assert f"{kind.__name__}: {text}. Check" in line
    assert "\n" not in line


def test_an_error_that_nobody_expects_keeps_its_traceback(monkeypatch):
    def broken(values):
        raise KeyError("a fault")

    monkeypatch.setattr(train, "run", broken)
    with pytest.raises(KeyError):
        main(["train"])


def test_a_traceback_can_be_asked_for(monkeypatch, capsys):
    def broken(values):
        raise ValueError("no")

    monkeypatch.setattr(train, "run", broken)
    monkeypatch.setenv("KERAS_VIT_TRACEBACK", "1")
    assert main(["train"]) == 2
    assert "in broken" in capsys.readouterr().err
