"""What a server allows, and how it refuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of everything a server accepts.

    Attributes:
        body: bytes of a request.
        held: bytes of all requests that are being read and answered.
        images: of a request.
        numbers: of a request, where images are lists of pixels: 33 of 224 x 224.
        pixels: of all image files of a request, as their headers declare.
        waiting: images that wait for the model.
        batch: images that the model runs on at once. `None`: as many as it
            runs on in a tenth of a second, at most 64.
        seconds: for the head of a request to arrive, then for its body, and for
            its answer, each.
        connections: that are open at once.
    """

    body: int = 32 * 2**20
    held: int = 256 * 2**20
    images: int = 128
    numbers: int = 5_000_000
    pixels: int = 500_000_000
    waiting: int = 512
    batch: int | None = None
    seconds: float = 30.0
    connections: int = 512

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0. Received: {name}={value}")


class RefusedError(Exception):
    """A request is refused; the message states why.

    Attributes:
        status: of HTTP, 4xx or 5xx.
        message: what was expected and what was received.
        headers: more headers of the response, by name.
    """

    status: int
    message: str
    headers: Mapping[str, str]

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


def busy(message: str) -> RefusedError:
    """Return a `RefusedError` of a request that may be repeated a second later."""
    return RefusedError(503, message, {"retry-after": "1"})


def error_body(message: str) -> bytes:
    """Return the JSON text of an error, as TensorFlow Serving writes it.

    Example:

    >>> error_body("no such model")
    b'{"error":"no such model"}'
    """
    return json.dumps({"error": message}, separators=(",", ":")).encode()
