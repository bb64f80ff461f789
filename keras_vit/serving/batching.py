"""Requests that arrive together are run together."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.serving.limits import Limits, RefusedError, busy

if TYPE_CHECKING:
    from keras_vit.serving.metrics import Metrics
    from keras_vit.serving.servable import Inputs, Outputs, Servable

    Key = tuple[Servable, str]  # a version and the name of one of its signatures
    _Delivery = tuple[asyncio.Future[Outputs], Outputs | RefusedError]

LONGEST_WAIT = 0.002  # seconds, for others to come along
LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class _Piece:
    """A request, or what fits into a batch of one."""

    inputs: Inputs
    count: int
    future: asyncio.Future[Outputs]
    arrived: float


@dataclass
class _Queue:
    pieces: collections.deque[_Piece] = field(default_factory=collections.deque)
    count: int = 0  # of images


class Batcher:
    """A queue for each signature, and the one thread that runs the model.

    The thread takes what waits longest, and with it whatever else waits for the
    same signature, up to the model's batch size. While it runs, the next ones
    gather. A batch that fails is run again one request at a time, so that a
    failure that one of them caused does not reach the others.

    Args:
        limits: what the server accepts.
        metrics: where each batch is counted.

    Attributes:
        waiting: the number of images that wait.
    """

    waiting: int

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._changed = threading.Condition()
        self._queues: dict[Key, _Queue] = {}  # in the order of arrival
        self._closed = False
        self.waiting = 0
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    async def answer(
        self, servable: Servable, signature: str, inputs: Inputs, count: int
    ) -> Outputs:
        """Wait for the outputs of one request and return them.

        Args:
            servable: the version that runs it.
            signature: the name of one of its signatures.
            inputs: as `Servable.run` takes them.
            count: the number of images in them.

        Returns:
            Arrays `(count, ...)` by name.

        Raises:
            RefusedError: 503 if too many images wait already, 500 if the model fails.
        """
        loop, now = asyncio.get_running_loop(), time.monotonic()
        pieces: list[_Piece] = []
        size = servable.batch_size
        for start in range(0, count, size):
            part = {name: one[start : start + size] for name, one in inputs.items()}
            taken = min(size, count - start)
            pieces.append(_Piece(part, taken, loop.create_future(), now))
        self._add((servable, signature), pieces, count)
        if len(pieces) == 1:
            return await pieces[0].future
        outputs = await asyncio.gather(*(piece.future for piece in pieces))
        return {
            name: np.concatenate([one[name] for one in outputs]) for name in outputs[0]
        }

    def close(self) -> None:
        """Run the requests that still wait, then stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(self._limits.seconds)

    def _add(self, key: Key, pieces: Sequence[_Piece], count: int) -> None:
        with self._changed:
            if self._closed or self.waiting + count > self._limits.waiting:
                raise busy(
                    f"Expected at most {self._limits.waiting} waiting images. "
                    f"Received: {count} more than the {self.waiting} that wait "
                    "already. Ask again in a second."
                )
            queue = self._queues.setdefault(key, _Queue())
            queue.pieces.extend(pieces)
            queue.count += count
            self.waiting += count
            self._changed.notify()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            self._run(*taken)

    def _next(self) -> tuple[Key, list[_Piece]] | None:
        """Wait for a batch that is due; return `None` once there will be no more."""
        with self._changed:
            while True:
                if self._queues:
                    key = min(self._queues, key=self._arrival)
                    full = self._queues[key].count >= key[0].batch_size
                    left = self._arrival(key) + LONGEST_WAIT - time.monotonic()
                    if full or left <= 0 or self._closed:
                        return key, self._take(key)
                    self._changed.wait(left)
                elif self._closed:
                    return None
                else:
                    self._changed.wait()

    def _arrival(self, key: Key) -> float:
        return self._queues[key].pieces[0].arrived

    def _take(self, key: Key) -> list[_Piece]:
        """Remove and return as many pieces from a queue as fit into a batch."""
        taken: list[_Piece] = []
        queue, room = self._queues[key], key[0].batch_size
        while queue.pieces and queue.pieces[0].count <= room:
            piece = queue.pieces.popleft()
            queue.count -= piece.count
            self.waiting -= piece.count
            if not piece.future.cancelled():  # by a timeout
                taken.append(piece)
                room -= piece.count
        if not queue.pieces:
            del self._queues[key]
        return taken

    def _run(self, key: Key, pieces: Sequence[_Piece]) -> None:
        if not pieces:
            return
        servable, signature = key
        count = sum(piece.count for piece in pieces)
        try:
            outputs = servable.run(signature, _joined(pieces))
            for name, value in outputs.items():
                if np.shape(value)[:1] != (count,):
                    raise ValueError(
                        f"Expected {name} of a batch of {count}. Received: the shape "
                        f"{np.shape(value)}"
                    )
        except Exception as error:  # of any kind: the thread has to survive it
            if len(pieces) > 1:
                for piece in pieces:
                    self._run(key, [piece])
                return
            reason = " ".join(str(error).split())[:300]
            LOG.error("the model failed at %s: %s", signature, reason)
            _deliver(pieces, [RefusedError(500, f"The model failed: {reason}")])
            return
        self._metrics.ran(signature, count)
        _deliver(pieces, _parts(outputs, pieces))


def _joined(pieces: Sequence[_Piece]) -> Inputs:
    """Return the inputs of all pieces as one batch."""
    if len(pieces) == 1:
        return pieces[0].inputs
    joined: Inputs = {}
    for name, first in pieces[0].inputs.items():
        parts: list[Any] = [piece.inputs[name] for piece in pieces]
        if isinstance(first, list):
            joined[name] = [one for part in parts for one in part]
        else:
            joined[name] = np.concatenate(parts)
    return joined


def _parts(outputs: Outputs, pieces: Iterable[_Piece]) -> Iterator[Outputs]:
    start = 0
    for piece in pieces:
        end = start + piece.count
        yield {name: value[start:end] for name, value in outputs.items()}
        start = end


def _deliver(
    pieces: Iterable[_Piece], results: Iterable[Outputs | RefusedError]
) -> None:
    """Pass results to those who wait for them, in the thread of each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Delivery]]
    by_loop = collections.defaultdict(list)
    for piece, result in zip(pieces, results, strict=True):
        by_loop[piece.future.get_loop()].append((piece.future, result))
    for loop, deliveries in by_loop.items():
        with contextlib.suppress(RuntimeError):  # of a loop that is closed
            loop.call_soon_threadsafe(_set_results, deliveries)


def _set_results(deliveries: Iterable[_Delivery]) -> None:
    for future, result in deliveries:
        if future.done():
            continue
        if isinstance(result, RefusedError):
            future.set_exception(result)
        else:
            future.set_result(result)
