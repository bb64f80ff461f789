"""Connections that cannot be kept open for nothing.

uvicorn limits how long an idle connection is kept after a response. It waits without
end for a first request and for the rest of a head of any length, closes before a
client has read why it was refused, and refuses without JSON. What is between it and
the socket here limits time and bytes, and leaves HTTP to it.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from keras_vit import compat
from keras_vit.serving.limits import Limits, error_body
from keras_vit.serving.metrics import Metrics
from keras_vit.serving.request_parser import RequestParser

LARGEST_HEAD = 2**16  # bytes of a request's line and headers
LINGERING = 2.0  # seconds in which a client may read the last response
CLOSE = (b"connection", b"close")

Message = MutableMapping[str, Any]  # of ASGI, as all of these
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Connections:
    """What uvicorn calls for each connection, in place of its own class.

    Args:
        limits: how many there may be, and for how long each may wait.
        metrics: where what is refused is counted.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits, self.metrics = limits, metrics
        self.open: set[Connection] = set()

    def __call__(self, **arguments: Any) -> Connection:
        """Return the protocol of a new connection, from uvicorn's arguments."""
        return Connection(self, **arguments)


def watched(app: ASGIApp) -> ASGIApp:
    """Return an application that tells the connection when it begins and ends."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope.get("state", {}).get("connection")
        if connection is None:  # of another server
            await app(scope, receive, send)
        else:
            await connection.run(app, scope, receive, send)

    return call


class Connection(asyncio.Protocol):
    """A connection whose bytes go to uvicorn's and back.

    While no request is being handled, the head of one has to arrive within
    `Limits.seconds` and `LARGEST_HEAD` bytes, which bytes that arrive do not prolong.
    A request whose body was not read to its end is the last one.
    """

    def __init__(self, all_of_them: Connections, **arguments: Any) -> None:
        self._all = all_of_them
        self._limits = all_of_them.limits
        arguments["app_state"] = {"connection": self}  # `state` of each scope
        self._http: Any = compat.http_protocol()(**arguments)
        self._http.send_400_response = self._refuse_what_is_not_http
        self._http.parser = RequestParser(self._http, self._count_no_more)
        self._loop: asyncio.AbstractEventLoop = self._http.loop
        self._timer: asyncio.TimerHandle | None = None  # for a head to arrive
        self._unread: asyncio.TimerHandle | None = None  # for a response to be read
        self._head = 0  # bytes of it that arrived, or behind the last of a body
        self._scope: Scope | None = None  # of the last request
        self._handling = self._responding = self._in_body = False
        self._paused = False
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse a connection above the limit; wait for requests of the others."""
        self._transport: Any = transport
        self._all.open.add(self)
        most = self._limits.connections
        if len(self._all.open) > most:
            self.refuse(
                503,
                f"Expected at most {most} open connections. Received: one more. Try "
                "again in a second.",
            )
        else:
            self._http.connection_made(_Transport(self, self._transport))
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, unless the connection is being closed."""
        if self.closing:
            return
        self._head += len(data)
        self._http.data_received(data)
        if self._head > LARGEST_HEAD:  # the application runs first, of a whole head
            self._loop.call_soon(self._check_head)

    def _count_no_more(self) -> None:
        """Count anew: a body has arrived up to here, whose limits are others."""
        self._head = 0

    def eof_received(self) -> None:
        """Close as the client does."""
        self._http.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self.closing = True
        self._all.open.discard(self)
        self._stop_waiting()
        if self._unread is not None:
            self._unread.cancel()
        if self._http.transport is not None:
            self._http.connection_lost(exc)

    def pause_writing(self) -> None:
        """Limit the time in which the client has to read the response."""
        self._http.pause_writing()
        self._unread = self._loop.call_later(self._limits.seconds, self._abort)

    def resume_writing(self) -> None:
        """Lift that limit."""
        self._http.resume_writing()
        if self._unread is not None and not self.closing:
            self._unread.cancel()

    async def run(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run the application on a request whose head has arrived."""
        self._stop_waiting()
        self._head, self._scope = 0, scope
        self._handling, self._in_body = True, _has_body(scope)

        async def receive_noted() -> Message:
            message = await receive()
            if not message.get("more_body"):
                self._in_body = False
            return message

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._responding = True
                if self._in_body:
                    message["headers"] = [*message.get("headers", ()), CLOSE]
            await send(message)

        try:
            await app(scope, receive_noted, send_noted)
        finally:
            self._handling = self._responding = self._in_body = False
            self._wait()

    def refuse(self, status: int, message: str) -> None:
        """Respond without the application, and close the connection."""
        self._all.metrics.answered("connection", status, 0)
        if self._responding:  # to another request
            self._abort()
            return
        body = error_body(message)
        head = [
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
            *(["retry-after: 1"] if status == 503 else []),
        ]
        self._transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.close()

    def close(self) -> None:
        """Close the connection once the client had time to read what was sent.

        Bytes that it is still sending would otherwise have its system discard the
        response.
        """
        if self.closing:
            return
        self.closing = True
        self._all.open.discard(self)
        self._stop_waiting()
        if self._unread is not None:
            self._unread.cancel()
        self._transport.resume_reading()
        self._transport.write_eof()
        self._abort_once_sent(self._limits.seconds)

    def _abort_once_sent(self, left: float) -> None:
        def check() -> None:
            if left > LINGERING and self._transport.get_write_buffer_size():
                self._abort_once_sent(left - LINGERING)
            else:
                self._abort()

        self._unread = self._loop.call_later(LINGERING, check)

    def _abort(self) -> None:
        self.closing = True
        self._all.open.discard(self)
        self._transport.abort()

    def _wait(self) -> None:
        """Limit the time and the bytes in which the next head has to arrive."""
        self._stop_waiting()
        if self.closing:
            return
        self._timer = self._loop.call_later(self._limits.seconds, self._too_late)
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self._loop.call_soon(self._check_head)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_head(self) -> None:
        if self.closing or self._head <= LARGEST_HEAD:
            return
        if (
            self._handling and not self._in_body
        ):  # another request, before which no more is read of this
            self._paused = True
            self._transport.pause_reading()
        else:
            self._refuse_what_is_not_http()

    def _refuse_what_is_not_http(self, msg: str = "") -> None:
        self.refuse(
            400,
            f"Expected a request of HTTP/1.1, its head of up to {LARGEST_HEAD} bytes. "
            "Received: bytes that are not one",
        )

    def _too_late(self) -> None:
        if self._http.scope is self._scope:  # nothing was begun
            self.close()
            return
        self.refuse(
            408,
            "Expected the whole head of a request within "
            f"{self._limits.seconds:g} seconds. Received: less",
        )


class _Transport:
    """A transport for uvicorn, which closes as `Connection.close` does."""

    def __init__(self, connection: Connection, transport: Any) -> None:
        self._connection, self._transport = connection, transport
        self.close = connection.close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send bytes, unless the connection is being closed."""
        if not self._connection.closing:
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Return whether nothing more is sent."""
        return self._connection.closing or self._transport.is_closing()


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
