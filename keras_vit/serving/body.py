"""Bodies of requests, as much of them as there is room for."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator

from keras_vit.serving.limits import Limits, RefusedError, busy


class Bodies:
    """A reader of bodies that counts how many bytes of them are held.

    Args:
        limits: a `Limits`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits, self._held = limits, 0

    @contextlib.asynccontextmanager
    async def read(
        self, length: int | None, chunks: AsyncIterable[bytes]
    ) -> AsyncIterator[bytearray]:
        """Yield a body, a `bytearray`, which counts as held meanwhile.

        Args:
            length: as the request declares it; `None` if it does not.
            chunks: the bytes, piece by piece.

        Raises:
            RefusedError: 413 for too large a body, before it is read where its
                length is known; 408 for one that is not whole in time; 503 if
                others take all the room.
        """
        body = bytearray()
        self._check(length or 0, 0)
        try:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    async for chunk in chunks:
                        self._check(len(body) + len(chunk), len(chunk))
                        body += chunk
                        self._held += len(chunk)
            except TimeoutError:
                raise RefusedError(
                    408,
                    f"Expected the whole body within {self._limits.seconds:g} seconds. "
                    "Received: less",
                ) from None
            yield body
        finally:
            self._held -= len(body)

    def _check(self, size: int, more: int) -> None:
        if size > self._limits.body:
            raise RefusedError(
                413,
                f"Expected a body of at most {self._limits.body} bytes. "
                f"Received: {size} or more",
            )
        if self._held + more > self._limits.held:
            raise busy(
                f"Expected at most {self._limits.held} bytes of all requests together. "
                "Received: more. Try again in a second."
            )
