"""Requests that arrive together are answered together."""

import asyncio
import collections
import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from keras_vit.serving.limits import RefusedError, busy

LONGEST_WAIT = 0.002  # seconds, for others to come along
LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class _Piece:
    """A request, or what fits into a batch of one."""

    inputs: dict
    count: int
    future: asyncio.Future
    arrived: float


@dataclass
class _Queue:
    pieces: collections.deque = field(default_factory=collections.deque)
    count: int = 0  # of images


class Batcher:
    """A queue for each signature, and the one thread that runs the model.

    The thread takes what waits longest, and with it whatever else waits for the
    same signature, up to the model's batch size. While it runs, the next ones
    gather. A batch that fails is run again one request at a time, so that what
    one of them brought about does not reach the others.

    Args:
        limits: a `Limits`.
        metrics: a `Metrics`, which is told of each batch.

    Attributes:
        waiting: the number of images that wait.
    """

    def __init__(self, limits, metrics):
        self._limits, self._metrics = limits, metrics
        self._changed = threading.Condition()
        self._queues = {}  # by servable and signature, in the order of arrival
        self._closed = False
        self.waiting = 0
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    async def answer(self, servable, signature, inputs, count):
        """Waits for the outputs of one request.

        Args:
            servable: a `Servable`.
            signature: the name of one of its signatures.
            inputs: as `Servable.run` takes them.
            count: the number of images in them.

        Returns:
            Arrays `(count, ...)` by name.

        Raises:
            RefusedError: 503 if too many images wait already, 500 if the model fails.
        """
        loop, now, size = asyncio.get_running_loop(), time.monotonic(), 0
        pieces, size = [], servable.batch_size
        for start in range(0, count, size):
            part = {name: one[start : start + size] for name, one in inputs.items()}
            taken = min(size, count - start)
            pieces.append(_Piece(part, taken, loop.create_future(), now))
        self._add((servable, signature), pieces, count)
        if len(pieces) == 1:
            return await pieces[0].future
        told = await asyncio.gather(*(piece.future for piece in pieces))
        return {name: np.concatenate([one[name] for one in told]) for name in told[0]}

    def close(self):
        """Answers what waits still, and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(self._limits.seconds)

    def _add(self, key, pieces, count):
        with self._changed:
            if self._closed or self.waiting + count > self._limits.waiting:
                raise busy(
                    f"{self.waiting} images wait already, of at most "
                    f"{self._limits.waiting}. Ask again in a second."
                )
            queue = self._queues.setdefault(key, _Queue())
            queue.pieces.extend(pieces)
            queue.count += count
            self.waiting += count
            self._changed.notify()

    def _work(self):
        while (taken := self._next()) is not None:
            self._run(*taken)

    def _next(self):
        """Waits for a batch that is due; `None` when there is none to come."""
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

    def _arrival(self, key):
        return self._queues[key].pieces[0].arrived

    def _take(self, key):
        """Removes as many pieces from a queue as fit into a batch."""
        queue, taken, room = self._queues[key], [], key[0].batch_size
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

    def _run(self, key, pieces):
        if not pieces:
            return
        servable, signature = key
        count = sum(piece.count for piece in pieces)
        try:
            outputs = servable.run(signature, _joined(pieces))
            for name, value in outputs.items():
                if np.shape(value)[:1] != (count,):
                    raise ValueError(f"{name} is not of a batch of {count}")
        except Exception as error:  # of any kind: the thread has to go on
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


def _joined(pieces):
    """The inputs of all pieces as one batch."""
    if len(pieces) == 1:
        return pieces[0].inputs
    joined = {}
    for name, first in pieces[0].inputs.items():
        parts = [piece.inputs[name] for piece in pieces]
        if isinstance(first, list):
            joined[name] = [one for part in parts for one in part]
        else:
            joined[name] = np.concatenate(parts)
    return joined


def _parts(outputs, pieces):
    start = 0
    for piece in pieces:
        end = start + piece.count
        yield {name: value[start:end] for name, value in outputs.items()}
        start = end


def _deliver(pieces, results):
    """Hands results over to who waits for them, in the thread of each event loop."""
    by_loop = collections.defaultdict(list)
    for piece, result in zip(pieces, results, strict=True):
        by_loop[piece.future.get_loop()].append((piece.future, result))
    for loop, results in by_loop.items():
        with contextlib.suppress(RuntimeError):  # of a loop that is closed
            loop.call_soon_threadsafe(_settle, results)


def _settle(results):
    for future, result in results:
        if future.done():
            continue
        if isinstance(result, RefusedError):
            future.set_exception(result)
        else:
            future.set_result(result)
