"""Of uvicorn: its class of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_vit.compat.versions import of_version

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def http_protocol() -> type[HttpToolsProtocol]:
    """Return uvicorn's class of a connection, which `serving` stands in front of.

    Interface: `uvicorn.protocols.http.httptools_impl.HttpToolsProtocol`, the
    `loop`, `transport` and `scope` of an object of it, the last one new with the first
    byte of a request, and its `send_400_response`, which is replaced. Verified:
    uvicorn 0.54.0.
    """
    name = "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol"
    with of_version(name, "uvicorn with httptools", "0.54.0"):
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        HttpToolsProtocol.send_400_response  # noqa: B018
    return HttpToolsProtocol
