"""What a machine has for training and inference, and what to do about what it lacks."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import keras
import tensorflow

from keras_vit.extras import DISTRIBUTION, install
from keras_vit.files import cache_folder
from keras_vit.training.devices import (
    HIDES_GPUS,
    devices_in_words,
    gpus_of_the_driver,
    num_cores,
)
from keras_vit.version import VERSION

tf: Any = tensorflow  # whose stubs lack what is used here

OF_DEVELOPMENT = {"dev", "docs", "notebooks", "test"}  # extras that no user needs
ROOM = 5  # GB that weights and data sets easily take
SIZES = {"GPU": 8192, "CPU": 512}  # the side of the matrices that are multiplied
OF_EXTRA = re.compile(r"""^([\w.-]+).*; extra == ["']([\w-]+)["']$""")
_NVIDIA_SMI = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of it, such as `"GPUs"`.
        found: what there is, in words.
        advice: what to do about what is missing; `None`: nothing is.
        is_problem: whether something does not work that should.

    Example:

    >>> print(Finding("GPUs", "none", "Train with --model=ViT_Ti16."))
    GPUs       none
               -> Train with --model=ViT_Ti16.
    """

    name: str
    found: str
    advice: str | None = None
    is_problem: bool = False

    def __str__(self) -> str:
        text = f"{self.name:<11}{self.found}"
        return text if self.advice is None else f"{text}\n{'':<11}-> {self.advice}"


def diagnose(seconds: float = 1.0) -> list[Finding]:
    """Return what this machine has, without a network.

    Args:
        seconds: how long matrices are multiplied in each precision.

    Returns:
        Findings on versions, GPUs, threads, the cache, extras and speed.

    Example:

    >>> [one.name for one in diagnose(seconds=0.01)][:3]
    ['Versions', 'GPUs', 'Threads']
    """
    return [
        versions(),
        gpus(),
        threads(),
        cache(cache_folder()),
        *extras(),
        speed(seconds),
    ]


def versions() -> Finding:
    """Return the versions of Python and of what all of this stands on."""
    found = (
        f"keras_vit {VERSION}, Python {platform.python_version()}, Keras "
        f"{keras.__version__} on {keras.backend.backend()}, TensorFlow {tf.__version__}"
    )
    if keras.backend.backend() == "tensorflow":
        return Finding("Versions", found)
    return Finding(
        "Versions",
        found,
        "Training and export need TensorFlow: KERAS_BACKEND=tensorflow.",
    )


def gpus() -> Finding:
    """Return the GPUs that TensorFlow finds, their memory, and whether they compute."""
    found = tf.config.list_physical_devices("GPU")
    if not found:
        return _no_gpu(gpus_of_the_driver(), os.environ.get(HIDES_GPUS))
    details = map(tf.config.experimental.get_device_details, found)
    names = [one.get("device_name", "GPU") for one in details]
    text = ", ".join([devices_in_words(names), *_memory_of_gpus()])
    for number, _ in enumerate(found):
        try:
            product(f"/GPU:{number}", tf.float32, 64)()
        except tf.errors.OpError as error:
            line = str(error).strip().partition("\n")[0]
            return Finding(
                "GPUs",
                f"{text}; GPU {number} does not compute: {line}",
                "Another process may hold its memory, or the driver may be too old "
                "for TensorFlow: nvidia-smi shows both.",
                is_problem=True,
            )
    advice = "--strategy=mirrored trains on all of them." if len(found) > 1 else None
    return Finding("GPUs", f"{text}; computing", advice)


def _no_gpu(there: list[str], hidden: str | None) -> Finding:
    """Return why TensorFlow finds no GPU, and what to do."""
    if not there:
        return Finding(
            "GPUs",
            "none; the CPU trains and predicts",
            "To fine-tune on a CPU, begin with --model=ViT_Ti16 "
            "--weights=augreg_in21k.",
        )
    text = f"{devices_in_words(there)}, which TensorFlow cannot use"
    if hidden is not None:
        return Finding("GPUs", text, f"{HIDES_GPUS}={hidden} hides them: unset it.")
    advice = "pip install 'tensorflow[and-cuda]' brings CUDA's libraries."
    return Finding("GPUs", text, advice, is_problem=True)


def _memory_of_gpus() -> list[str]:
    """Return the memory of all GPUs as NVIDIA's tool prints it, if it is there."""
    if shutil.which(_NVIDIA_SMI[0]) is None:
        return []
    try:
        done = subprocess.run(
            _NVIDIA_SMI, capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [" + ".join(done.stdout.split("\n")[:-1])]


def threads() -> Finding:
    """Return the cores of this process, and what limits TensorFlow's threads."""
    cores = num_cores()
    text = f"{cores} {'core' if cores == 1 else 'cores'}"
    limits = {
        name: os.environ[name]
        for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
        if os.environ.get(name, "").isdigit()
    }
    fewer = [f"{name}={value}" for name, value in limits.items() if int(value) < cores]
    if not fewer:
        return Finding("Threads", text)
    return Finding("Threads", text, f"{' and '.join(fewer)} leaves some of them idle.")


def cache(folder: pathlib.Path) -> Finding:
    """Return where downloaded weights are kept, and how much room there is."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    kept = sum(one.stat().st_size for one in files) / 1e9
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free / 1e9
    text = f"{folder}: {kept:.1f} GB of weights, {free:,.0f} GB free"
    if not os.access(there, os.W_OK):
        advice = f"{there} cannot be written to: set KERAS_HOME to another folder."
        return Finding("Cache", text, advice, is_problem=True)
    advice = f"Less than {ROOM} GB: KERAS_HOME sets another folder."
    return Finding("Cache", text, advice if free < ROOM else None)


def extras(required: list[str] | None = None) -> list[Finding]:
    """Return which optional packages are installed, by the extras that bring them.

    Args:
        required: the requirements of the package, as its metadata list them; those
            of the installed one by default.
    """
    if required is None:
        try:
            required = metadata.requires(DISTRIBUTION) or []
        except metadata.PackageNotFoundError:  # of a folder that is not installed
            return []
    packages: dict[str, list[str]] = defaultdict(list)
    for match in filter(None, map(OF_EXTRA.match, required)):
        if match[2] not in OF_DEVELOPMENT:
            packages[match[2]].append(match[1])
    lacking = {
        extra: [name for name in names if not _is_installed(name)]
        for extra, names in sorted(packages.items())
    }
    there = ", ".join(extra for extra, names in lacking.items() if not names)
    missing = {extra: names for extra, names in lacking.items() if names}
    text = f"{there or 'none'} installed"
    if not missing:
        return [Finding("Extras", text)]
    words = "; ".join(
        f"{extra} ({', '.join(names)})" for extra, names in missing.items()
    )
    return [Finding("Extras", text, f"{install('EXTRA')} brings {words}.")]


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def speed(seconds: float) -> Finding:
    """Return how fast matrices are multiplied in float32 and in bfloat16.

    Args:
        seconds: how long in each.
    """
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    rates = {
        dtype.name: _rate(product(f"/{kind}:0", dtype, SIZES[kind]), seconds)
        * 2
        * SIZES[kind] ** 3
        / 1e9
        for dtype in (tf.float32, tf.bfloat16)
    }
    text = ", ".join(f"{rate:,.0f} GFLOP/s in {name}" for name, rate in rates.items())
    if rates["bfloat16"] > 1.2 * rates["float32"]:
        advice = "--set precision=mixed_bfloat16 trains faster."
    else:
        advice = "bfloat16 is not faster here: leave precision=float32 for speed."
    return Finding(f"{kind} speed", text, advice)


def product(device: str, dtype: Any, size: int) -> Callable[[], None]:
    """Return a function that multiplies two square matrices on a device, and waits."""
    with tf.device(device):
        matrix = tf.ones((size, size), dtype)

    def multiply() -> None:
        with tf.device(device):
            tf.linalg.matmul(matrix, matrix)[0, 0].numpy()  # a number is waited for

    return multiply


def _rate(call: Callable[[], None], seconds: float) -> float:
    """Return how often a function runs in a second, after one call beforehand."""
    call()
    begun, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds or not count:
        call()
        count += 1
    return count / passed
