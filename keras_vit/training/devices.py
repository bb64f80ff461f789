"""The devices that a run trains on, those it leaves unused, and its peak memory."""

from __future__ import annotations

import os
import pathlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow

from keras_vit.distribution import num_workers

if TYPE_CHECKING:
    from keras_vit.compat import Strategy

tf: Any = tensorflow  # whose stubs lack what is used here

# What NVIDIA's driver says of each GPU of a Linux machine, TensorFlow aside.
DRIVER = pathlib.Path("/proc/driver/nvidia/gpus")
HIDES_GPUS = "CUDA_VISIBLE_DEVICES"


def device_names(strategy: Strategy) -> list[str]:
    """Return the name of each device that this process trains on.

    Args:
        strategy: a `tf.distribute.Strategy`.

    Returns:
        The product names of GPUs such as `"NVIDIA H200"`, where TensorFlow knows
        them; else the kind, such as `"CPU"`, once for each logical device.

    Example:

    >>> import tensorflow as tf
    >>> device_names(tf.distribute.OneDeviceStrategy("/cpu:0"))
    ['CPU']
    """
    return [_name(kind, number) for kind, number in _devices_of(strategy)]


def devices_in_words(names: Sequence[str], workers: int = 1) -> str:
    """Return the devices of a run in words.

    Args:
        names: as `device_names` returns them.
        workers: processes that train together.

    Example:

    >>> devices_in_words(["NVIDIA H200", "NVIDIA H200"], workers=3)
    '2 x NVIDIA H200, on each of 3 workers'
    """
    parts = [
        name if count == 1 else f"{count} x {name}"
        for name, count in Counter(names).items()
    ]
    if set(names) == {"CPU"}:
        cores = num_cores()
        parts = [f"{parts[0]} ({cores} {'core' if cores == 1 else 'cores'})"]
    return " and ".join(parts) + (
        f", on each of {workers} workers" if workers > 1 else ""
    )


def unused_gpus(strategy: Strategy) -> list[str]:
    """Return a sentence on GPUs of this machine that a run does not train on, if any.

    GPUs that the user hides, by `CUDA_VISIBLE_DEVICES` or from TensorFlow, are not
    reported.

    Args:
        strategy: a `tf.distribute.Strategy`.
    """
    devices = _devices_of(strategy)
    if "TPU" in {kind for kind, _ in devices}:
        return []
    there = len(tf.config.list_logical_devices("GPU"))
    used = len({number for kind, number in devices if kind == "GPU"})
    if used < there == 1:
        return [
            "The GPU of this machine is not used. strategy=one (--strategy=one) "
            "trains on it."
        ]
    if used < there:
        return [
            f"{used} of the {there} GPUs of this machine are used. strategy=mirrored "
            "(--strategy=mirrored) trains on all of them."
        ]
    found = [] if tf.config.list_physical_devices("GPU") else gpus_of_the_driver()
    if found and HIDES_GPUS not in os.environ:
        return [
            f"TensorFlow {tf.__version__} cannot use the GPUs of this machine "
            f"({devices_in_words(found)}), so the CPU trains. CUDA's libraries may be "
            "missing: pip install 'tensorflow[and-cuda]'."
        ]
    return []


def peak_memory() -> dict[str, int]:
    """Return the most memory that this process has held since it began, in bytes.

    Returns:
        `host_peak_bytes`, of the main memory, where the system tells it; and
        `gpu_<number>_peak_bytes`, what TensorFlow allocated on each GPU.

    Example:

    >>> peak_memory()["host_peak_bytes"] > 100e6
    True
    """
    peaks = {}
    if (host := _host_peak()) is not None:
        peaks["host_peak_bytes"] = host
    for number, _ in enumerate(tf.config.list_logical_devices("GPU")):
        try:
            info = tf.config.experimental.get_memory_info(f"GPU:{number}")
        except (ValueError, RuntimeError):  # of an allocator that does not count
            continue
        peaks[f"gpu_{number}_peak_bytes"] = int(info["peak"])
    return peaks


def described_devices(strategy: Strategy) -> dict[str, Any]:
    """Return the devices of a run as its `config.json` holds them."""
    return {
        "names": device_names(strategy),
        "replicas": strategy.num_replicas_in_sync,
        "workers": num_workers(strategy),
        "strategy": type(strategy).__name__.lstrip("_"),
    }


def _devices_of(strategy: Strategy) -> list[tuple[str, int]]:
    """Return the kind and the number of each device of this process."""
    try:
        names = strategy.extended.worker_devices
    except RuntimeError:  # of TensorFlow's default strategy, which places by itself
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return [(kind, 0)]
    specs = (tf.DeviceSpec.from_string(name) for name in names)
    return [(one.device_type or "CPU", one.device_index or 0) for one in specs]


def _name(kind: str, number: int) -> str:
    physical = tf.config.get_visible_devices(kind)
    if kind != "GPU" or number >= len(physical):  # a part of one, by its user
        return kind
    details = tf.config.experimental.get_device_details(physical[number])
    return details.get("device_name", kind)


def gpus_of_the_driver() -> list[str]:
    """Return the product names of GPUs that the driver knows, whoever may use them."""

    def models() -> Iterator[str]:
        for path in sorted(DRIVER.glob("*/information")):
            found = re.search(r"^Model:\s*(.+?)\s*$", path.read_text(), re.M)
            yield found[1] if found else "an NVIDIA GPU"

    try:
        return list(models())
    except OSError:
        return []


def num_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # those that this process may use
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _host_peak() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # kibibytes elsewhere
