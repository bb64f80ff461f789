"""How long each worker of a run computes before it waits for the others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow

from keras_vit.distribution import local_replicas, num_workers, worker_index

if TYPE_CHECKING:
    from keras_vit.compat import Strategy

tf: Any = tensorflow  # whose stubs lack what is used here


def seconds_of_workers(seconds: Any, strategy: Strategy) -> Any:
    """Return a vector whose sum over all replicas has each worker's seconds.

    Args:
        seconds: of this worker, a scalar.
        strategy: of the run.

    Returns:
        Of shape `(workers,)`: zeros but at the place of this worker.
    """
    place = tf.one_hot(worker_index(strategy), num_workers(strategy))
    return place * tf.cast(seconds, "float32") / local_replicas(strategy)


class WorkerPace:
    """The pace of the workers since the last evaluation.

    A step ends when the slowest worker has its gradient, so the others wait. How long
    each was busy itself says which one that is: its images, and its gradient. The
    first step of a process does not count, as it also builds what computes them.

    Example:

    >>> pace = WorkerPace()
    >>> for busy in ([9.0, 9.0], [0.1, 0.4], [0.1, 0.6]):
    ...     pace.add(busy)
    >>> print(pace.line(128.0))
    128 images/s, at the pace of worker 1: busy for 0.500 s of a step; others 0.100 s
    """

    def __init__(self) -> None:
        self._has_begun = False
        self._busy: list[Sequence[float]] = []

    def begin(self) -> Any:
        """Return the time at which this worker begins with a step."""
        return tf.constant(time.time(), tf.float64)

    def add(self, busy: Sequence[float]) -> None:
        """Add the seconds of each worker in a step."""
        if self._has_begun:
            self._busy.append(busy)
        self._has_begun = True

    def line(self, images_per_second: float) -> str:
        """Return a line for the log, and begin anew.

        Args:
            images_per_second: of all workers together.
        """
        pace = f"{images_per_second:,.0f} images/s"
        if not self._busy:
            return pace
        seconds = np.mean(self._busy, axis=0)
        self._busy = []
        slowest = int(np.argmax(seconds))
        others = np.max(np.delete(seconds, slowest))
        return (
            f"{pace}, at the pace of worker {slowest}: busy for "
            f"{seconds[slowest]:.3f} s of a step; others {others:.3f} s"
        )
