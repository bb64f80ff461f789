"""Bodies of requests, as much of them as there is room for."""

import contextlib

from keras_vit.serving.limits import RefusedError, busy


class Bodies:
    """Reads bodies, and knows how many bytes of them are held.

    Args:
        limits: a `Limits`.
    """

    def __init__(self, limits):
        self._limits, self._held = limits, 0

    @contextlib.asynccontextmanager
    async def read(self, length, chunks):
        """Yields a body, a `bytearray`, which counts as held meanwhile.

        Args:
            length: what the request says of its length; `None` if nothing.
            chunks: an asynchronous iterator of bytes.

        Raises:
            RefusedError: 413 for too large a body, before it is read where its
                length is known; 503 if others take all the room.
        """
        body = bytearray()
        self._check(length or 0, 0)
        try:
            async for chunk in chunks:
                self._check(len(body) + len(chunk), len(chunk))
                body += chunk
                self._held += len(chunk)
            yield body
        finally:
            self._held -= len(body)

    def _check(self, size, more):
        if size > self._limits.body:
            raise RefusedError(
                413,
                f"Expected a body of at most {self._limits.body} bytes. "
                f"Received: {size} or more",
            )
        if self._held + more > self._limits.held:
            raise busy("Other requests take all the room. Ask again in a second.")
