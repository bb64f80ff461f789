"""The process that listens: connections, signals, one line at the start."""

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn

from keras_vit.serving.api import Api
from keras_vit.serving.app import build
from keras_vit.serving.batching import Batcher
from keras_vit.serving.connection import Connections, watched
from keras_vit.serving.limits import Limits
from keras_vit.serving.metrics import Metrics
from keras_vit.serving.middleware import checked
from keras_vit.serving.model_source import folder_of
from keras_vit.serving.versions import Versions

POLL = 1.0  # seconds between two looks for new versions, as TensorFlow Serving's
BACKLOG = 2048
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(
    model: Any,
    host: str,
    port: int,
    *,
    limits: Limits,
    origins: tuple[str, ...],
    started: Callable[[str], object],
) -> None:
    """Serve until a signal stops it; see `keras_vit.serving.serve`."""
    origins = checked(origins)
    listener = _listener(host, port)
    with contextlib.closing(listener), folder_of(model) as folder:
        metrics = Metrics()
        versions = Versions(folder, metrics, limits.batch)
        versions.load_first(POLL)
        versions.watch(POLL)
        batcher = Batcher(limits, metrics)
        api = Api(folder.name, versions, batcher, metrics, limits)
        app = build(api, metrics, limits, host, origins)
        url = _url(listener)
        current = versions.current
        version = None if current is None else current.version
        line = f"Serving {folder.name} version {version} at {url}"
        server = _Server(_config(app, limits, metrics), started, line)
        try:
            with _catch_stop_signals(server):
                server.run([listener])
        finally:
            versions.close()
            batcher.close()


def _listener(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that a port that is taken is reported at once.

    It is named a TCP one because asyncio sends small responses without delay only
    then.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"Cannot listen at {host}, port {port}: {error.strerror}. Use another "
            "--port, or 0 for any free one."
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _config(app: Any, limits: Limits, metrics: Metrics) -> uvicorn.Config:
    protocol: Any = Connections(limits, metrics)  # which uvicorn calls as a class
    return uvicorn.Config(
        watched(app),
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=round(limits.seconds) + 1,
    )


@contextlib.contextmanager
def _catch_stop_signals(server: uvicorn.Server) -> Iterator[None]:
    """Have signals stop the server alone: before it handles them itself, and after.

    When it has stopped, uvicorn raises once more those that it has caught.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    before = {one: signal.signal(one, stop) for one in STOP_SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class _Server(uvicorn.Server):
    """A server that reports where it listens once it does."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[str], object], line: str
    ) -> None:
        super().__init__(config)
        self._started, self._line = started, line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started(f"{self._line} (Ctrl-C stops it)")
