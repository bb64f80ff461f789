"""Who may send requests, and the headers of every response.

A server at localhost is within reach of every page that the same machine's browser
shows. A browser says in `Origin` whose page is asking, and in `Host` which name it
believes to talk to; with DNS rebinding that name is the other page's. Names are
checked by starlette's `TrustedHostMiddleware`, and what pages elsewhere may read by
its `CORSMiddleware`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from keras_vit.serving.connection import ASGIApp, Message, Receive, Scope, Send
from keras_vit.serving.limits import error_body
from keras_vit.serving.metrics import Metrics

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
JSON = (b"content-type", b"application/json")
ALLOWED = (
    f"Expected a request to {' or '.join(LOOPBACK[:2])}, or to what --host and "
    "--allow_origin name"
)


def checked(origins: Iterable[str]) -> tuple[str, ...]:
    """Return origins as browsers write them.

    Raises:
        ValueError: for a text that is not an origin.

    Example:

    >>> checked(["https://Example.org/"])
    ('https://example.org',)
    """
    for one in origins:
        if not re.fullmatch(r"https?://[^/*]+/?", one):
            raise ValueError(
                "Expected the origin of a page, such as https://example.org. "
                f"Received: {one!r}"
            )
    return tuple(one.rstrip("/").lower() for one in origins)


def starlettes(host: str, origins: Sequence[str]) -> list[Middleware]:
    """Return starlette's middleware for a server.

    Args:
        host: the address that it listens at. At one of this machine alone, requests
            have to name it, too.
        origins: of other pages that may send requests, as `checked` returns them.
    """
    stack: list[Middleware] = []
    if host in LOOPBACK:
        named = (re.sub(r"^.*://|:\d+$", "", origin) for origin in origins)
        allowed = [*LOOPBACK[:2], f"[{LOOPBACK[2]}]", *named]
        stack.append(
            Middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False)
        )
    if origins:
        methods = ("GET", "POST")
        stack.append(
            Middleware(CORSMiddleware, allow_origins=origins, allow_methods=methods)
        )
    return stack


class Responses:
    """An ASGI application around another one, which completes each response.

    It adds `HEADERS`, counts responses, makes JSON of what starlette refuses in plain
    text, and refuses what a page elsewhere asks: a browser would hide the response
    from that page, but the model would have run.

    Args:
        app: the application that responds.
        metrics: where every response is counted.
        origins: of other pages that may send requests, as `checked` returns them.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, origins: Iterable[str] = ()
    ) -> None:
        self._app, self._metrics, self._origins = app, metrics, set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it, and complete the response."""
        if scope["type"] != "http":
            return
        begun, status = time.perf_counter(), 500
        plain: Message | None = None  # the start of a response in plain text

        async def complete(message: Message) -> None:
            nonlocal status, plain
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400 and JSON not in message["headers"]:
                    plain = message
                    return
                message["headers"] = [*message["headers"], *HEADERS]
            elif plain is not None:
                headers, plain = plain["headers"], None
                reason = f"{message['body'].decode()}."
                if reason.startswith("Invalid host"):
                    reason += f" {ALLOWED}"
                await _respond(complete, status, headers, reason)
                return
            await send(message)

        try:
            refused = self._reason_against(scope)
            if refused:
                await _respond(complete, *refused)
            else:
                await self._app(scope, receive, complete)
        finally:
            kind = scope.get("kind", "other")
            self._metrics.answered(kind, status, time.perf_counter() - begun)

    def _reason_against(self, scope: Scope) -> tuple[int, list[Any], str] | None:
        """Return how a request is refused before any other check, if it is.

        HTTP/1.0 knows no `Host`: such a client is no browser, and names this machine.
        """
        headers = dict(scope["headers"])
        if b"host" not in headers and scope["http_version"] == "1.0":
            headers[b"host"] = LOOPBACK[0].encode()
            scope["headers"] = [*headers.items()]
        if b"host" not in headers:
            return 400, [], "Expected a request of HTTP/1.1. Received: one without Host"
        if b"origin" not in headers:
            return None
        origin = headers[b"origin"].decode("latin-1").lower()
        host = headers[b"host"].decode("latin-1").lower()
        if origin.partition("://")[2] == host or origin in self._origins:
            return None
        return (
            403,
            [],
            "Expected a request of this server's own page, or of one that "
            f"--allow_origin names. Received: one of {origin[:100]}",
        )


async def _respond(
    send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], reason: str
) -> None:
    """Send an error as JSON."""
    body = error_body(reason)
    kept = [one for one in headers if not one[0].startswith(b"content-")]
    length = (b"content-length", str(len(body)).encode())
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*kept, length, JSON],
        }
    )
    await send({"type": "http.response.body", "body": body})
