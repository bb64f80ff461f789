"""A name -> the devices that train together.

TensorFlow is imported where it is asked for: `layout_map` is for JAX.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from keras_vit.layouts import layout_map as layout_map

if TYPE_CHECKING:  # whose public name `tf.distribute.Strategy` no checker resolves
    from keras_vit.compat import Strategy

STRATEGIES = ("auto", "one", "mirrored", "multiworker", "tpu:<name>")


def strategy(name: str = "auto") -> Strategy:
    """Return the `tf.distribute.Strategy` of that name.

    Call it before anything else of TensorFlow: several workers can only be
    joined at the start of a process.

    Args:
        name: `"one"`: the first GPU, or the CPU. `"mirrored"`: all GPUs of this
            machine, or all logical CPUs where there are several.
            `"multiworker"`: the machines in the environment variable
            `TF_CONFIG`. `"tpu:<name>"`: a TPU by its name or address, and
            `"tpu:local"` that of this machine. `"auto"`: the first of TPU,
            workers, GPUs that is there in number.

    Returns:
        A strategy. That of `"one"` is TensorFlow's default.

    Raises:
        ValueError: for an unknown name, or one that this machine cannot serve.

    Example:

    >>> strategy("one").num_replicas_in_sync
    1
    """
    if name == "auto":
        name = _automatic()
    if name.startswith("tpu:"):
        return _tpu(name.removeprefix("tpu:"))
    if name not in _BUILDERS:
        raise ValueError(
            f"strategy must be one of {', '.join(STRATEGIES)}. Received: {name!r}"
        )
    return _BUILDERS[name]()


def is_chief(strategy: Strategy) -> bool:
    """Return whether this process is the one that writes for all workers."""
    return strategy.extended.should_checkpoint


def num_workers(strategy: Strategy) -> int:
    """Return how many processes, each with its own program, train together."""
    import tensorflow as tf

    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    jobs = strategy.cluster_resolver.cluster_spec().as_dict()
    return max(sum(len(jobs.get(job, [])) for job in ("chief", "worker")), 1)


def worker_index(strategy: Strategy) -> int:
    """Return the number of this worker, the chief being the first."""
    if num_workers(strategy) == 1:
        return 0
    cluster = strategy.cluster_resolver
    chiefs = len(cluster.cluster_spec().as_dict().get("chief", []))
    return cluster.task_id + (chiefs if cluster.task_type == "worker" else 0)


def local_replicas(strategy: Strategy) -> int:
    """Return how many replicas this process drives."""
    return strategy.num_replicas_in_sync // num_workers(strategy)


_TF_CONFIG = (
    '{"cluster": {"worker": ["host:port", ...]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def _automatic():
    if os.environ.get("TPU_NAME"):
        return f"tpu:{os.environ['TPU_NAME']}"
    if len(_workers()) > 1:
        return "multiworker"
    import tensorflow as tf

    if len(tf.config.list_physical_devices("GPU")) > 1:
        return "mirrored"
    return "one"


def _workers():
    """The workers that TF_CONFIG names."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    except ValueError as error:
        raise ValueError(
            f"Expected JSON in the environment variable TF_CONFIG. Received: {error}. "
            f"Write it as {_TF_CONFIG}"
        ) from error
    return cluster.get("chief", []) + cluster.get("worker", [])


def _one():
    import tensorflow as tf

    return tf.distribute.get_strategy()


def _mirrored():
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise ValueError(
            "mirrored needs several devices of one machine. Received: one "
            f"{devices[0].device_type}. Use the strategy one"
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multiworker():
    import tensorflow as tf

    if not _workers():
        raise ValueError(
            "multiworker reads the workers' addresses from TF_CONFIG, which has none. "
            f"Expected {_TF_CONFIG}"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu(name):
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(
            "Expected the name or address of a TPU. Received: "
            f"{name!r}, which cannot be reached ({error}). Use tpu:local on the "
            "machine of a TPU"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


_BUILDERS = {
    "one": _one,
    "mirrored": _mirrored,
    "multiworker": _multiworker,
}
