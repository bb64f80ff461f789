"""Bytes of a connection -> the requests in them, by httptools."""

from collections.abc import Callable
from typing import Any

import httptools


class RequestParser:
    """httptools' parser of requests, for which `Upgrade` is a wish that is not met.

    By itself it takes what follows such a head for another protocol's, and a body is
    lost; Java's client sends `Upgrade: h2c` with every first request. What is behind
    the pieces of a body is left out, as no application asks for it.

    Args:
        protocol: uvicorn's, whose methods it calls.
        body_arrived: called with each piece of a body.
    """

    def __init__(self, protocol: Any, body_arrived: Callable[[], None]) -> None:
        self._protocol, self._body_arrived = protocol, body_arrived
        self._in_head = True
        self.on_url = protocol.on_url
        self._parser = self._new()

    def _new(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def get_http_version(self) -> str:
        """Return the version of the request, such as `"1.1"`."""
        return self._parser.get_http_version()

    def get_method(self) -> bytes:
        """Return the method of the request."""
        return self._parser.get_method()

    def should_keep_alive(self) -> bool:
        """Return whether another request may follow."""
        return self._parser.should_keep_alive()

    def should_upgrade(self) -> bool:
        """Return `False`: no request is another protocol's."""
        return False

    def feed_data(self, data: bytes) -> None:
        """Parse bytes; of a head with `Upgrade`, once more without it."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            if self._parser.get_method() == b"CONNECT":
                raise httptools.HttpParserError("CONNECT") from error
            head = self._head_without_upgrade()
            self._parser = self._new()
            self.feed_data(head + data[error.args[0] :])

    def _head_without_upgrade(self) -> bytes:
        version = self._parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.get_method(), self._protocol.url, version)]
        headers = self._protocol.headers
        lines += [b"%s: %s" % one for one in headers if one[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """Begin with a request."""
        self._in_head = True
        self._protocol.on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Pass on a header of the head."""
        if self._in_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin with the body."""
        if not self._parser.should_upgrade():
            self._in_head = False
            self._protocol.on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of a body."""
        self._body_arrived()
        self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        if not self._parser.should_upgrade():
            self._protocol.on_message_complete()
