"""What a server allows, and how it says no."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much of everything there may be.

    Attributes:
        body: bytes of a request.
        held: bytes of all requests that are being read and answered.
        images: of a request.
        pixels: of all image files of a request, as their headers tell.
        waiting: images that wait for the model.
        batch: images that the model is given at once. `None`: as many as it
            answers in a tenth of a second, at most 64.
        seconds: for the head of a request to arrive, then for its body, and for
            its answer, each.
        connections: that are open at once.
    """

    body: int = 32 * 2**20
    held: int = 256 * 2**20
    images: int = 128
    pixels: int = 500_000_000
    waiting: int = 512
    batch: int | None = None
    seconds: float = 30.0
    connections: int = 512

    def __post_init__(self):
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0. Received: {name}={value}")


class RefusedError(Exception):
    """An answer that says what is wrong.

    Attributes:
        status: of HTTP, 4xx or 5xx.
        message: what was expected and what came.
        headers: more headers of the answer, by name.
    """

    def __init__(self, status, message, headers=None):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


def busy(message):
    """A `RefusedError` of what may be asked again a second later."""
    return RefusedError(503, message, {"retry-after": "1"})


def error_body(message):
    """The JSON text of an error, as TensorFlow Serving gives it.

    Example:

    >>> error_body("no such model")
    b'{"error":"no such model"}'
    """
    return json.dumps({"error": message}, separators=(",", ":")).encode()
