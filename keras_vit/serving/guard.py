"""Who may send requests, and the headers of every response.

A server at localhost is within reach of every page that the same machine's browser
shows. A browser says in `Origin` whose page is asking, and in `Host` which name it
believes to talk to; with DNS rebinding that name is the other page's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from keras_vit.serving.limits import error_body

if TYPE_CHECKING:
    from keras_vit.serving.metrics import Metrics

    Message = MutableMapping[str, Any]  # of ASGI, as all of these
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:"
        b"; connect-src 'self'; base-uri 'none'; form-action 'none'"
        b"; frame-ancestors 'none'",
    ),
]
PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"content-type"),
    (b"access-control-max-age", b"600"),
]


def checked(origins: Iterable[str]) -> tuple[str, ...]:
    """Return origins as browsers write them.

    Raises:
        ValueError: for a text that is not an origin.

    Example:

    >>> checked(["https://Example.org/"])
    ('https://example.org',)
    """
    for one in origins:
        if not re.fullmatch(r"https?://[^/]+/?", one):
            raise ValueError(
                "Expected the origin of a page, such as https://example.org. "
                f"Received: {one!r}"
            )
    return tuple(one.rstrip("/").lower() for one in origins)


class Guard:
    """An ASGI application around another one.

    Args:
        app: the application that responds.
        metrics: where every response is counted.
        host: the address that the server listens at. At one of this machine alone,
            requests have to name it, too.
        origins: of other pages that may send requests, as `checked` returns them.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        host: str = "127.0.0.1",
        origins: Iterable[str] = (),
    ) -> None:
        self._app, self._metrics = app, metrics
        self._origins = set(origins)
        self._hosts = None
        if host in LOOPBACK:
            named = {one.partition("://")[2] for one in self._origins}
            self._hosts = {*LOOPBACK, *map(_without_port, named)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it, and complete the response."""
        if scope["type"] != "http":
            return
        begun, status = time.perf_counter(), 500
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        more = list(HEADERS)
        if origin in self._origins:
            more += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"vary", b"origin"),
            ]

        async def send_more(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        try:
            reason = self._reason_against(headers, origin)
            if reason:
                await _answer(send_more, 403, error_body(reason))
            elif origin in self._origins and scope["method"] == "OPTIONS":
                more += PREFLIGHT
                await _answer(send_more, 204, b"")
            else:
                await self._app(scope, receive, send_more)
        finally:
            kind = scope.get("kind", "other")
            self._metrics.answered(kind, status, time.perf_counter() - begun)

    def _reason_against(
        self, headers: Mapping[bytes, bytes], origin: str
    ) -> str | None:
        """Return why a request is refused; `None` if it is not."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and host and _without_port(host) not in self._hosts:
            return (
                f"Expected a request to {' or '.join(LOOPBACK)}. Received: one to "
                f"{host[:100]}"
            )
        foreign = origin and origin.partition("://")[2] != host
        if foreign and origin not in self._origins:
            return (
                "Expected a request of this server's own page, or of one that "
                f"--allow_origin names. Received: one of {origin[:100]}"
            )
        return None


def _without_port(host: str) -> str:
    """Return the name in `name:port` or `[address]:port`.

    Example:

    >>> _without_port("[::1]:8501"), _without_port("localhost")
    ('::1', 'localhost')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    if body:
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
