"""The process that listens: connections, signals, one line at the start."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import h11
import uvicorn

from keras_vit import compat
from keras_vit.serving.api import Api
from keras_vit.serving.app import build
from keras_vit.serving.batching import Batcher
from keras_vit.serving.guard import checked
from keras_vit.serving.limits import Limits, error_body
from keras_vit.serving.metrics import Metrics
from keras_vit.serving.model_source import folder_of
from keras_vit.serving.versions import Versions

POLL = 1.0  # seconds between two looks for new versions, as TensorFlow Serving's
LARGEST_HEAD = 2**16  # bytes of a request's line and headers
LINGERING = 2.0  # seconds in which a client may read the last response
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
    def connection(**arguments: Any) -> _Connection:
        return _Connection(limits, metrics, **arguments)

    protocol: Any = connection  # which uvicorn calls as it does a class
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=LARGEST_HEAD,
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


class _Connection(compat.h11_protocol()):
    """A connection that cannot be kept open for nothing.

    uvicorn waits without end for a request to arrive, for the rest of a body that has
    been refused and for a response to be read, and it refuses without JSON.
    """

    def __init__(self, limits: Limits, metrics: Metrics, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits, self._metrics = limits, metrics
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._awaited: Any = None  # a state of h11
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Refuse a connection above the limit; watch the others."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(
                503,
                f"Expected at most {self._limits.connections} open connections. "
                "Received: one more. Try again in a second.",
            )
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        """Handle bytes, unless the connection was refused."""
        if not self._refused:
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, as long as its head may take."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Limit the time in which the client has to read the response."""
        super().pause_writing()
        self._unread = self._abort_after(self._limits.seconds)

    def resume_writing(self) -> None:
        """Lift that limit."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if the client does not read."""
        super().timeout_keep_alive_handler()
        self._abort_after(self._limits.seconds)

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP, with JSON."""
        self._refuse(
            400,
            f"Expected a request of HTTP/1.1, its head of up to {LARGEST_HEAD} bytes. "
            "Received: bytes that are not one",
        )

    def _watch(self) -> None:
        """Limit the time in which the rest of a head or a body has to arrive.

        Each has its own limit, which bytes that arrive do not prolong.
        """
        awaited = self.conn.their_state
        if awaited not in (h11.IDLE, h11.SEND_BODY):
            self._stop_watching()
        elif awaited is not self._awaited:
            self._stop_watching()
            self._awaited = awaited
            self._timer = self.loop.call_later(self._limits.seconds, self._too_late)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._awaited = None

    def _too_late(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.transport.close()  # nothing was begun
            return
        part = "head of a request" if self.conn.their_state is h11.IDLE else "body"
        self._refuse(
            408,
            f"Expected the whole {part} within {self._limits.seconds:g} seconds. "
            "Received: less",
        )

    def _refuse(self, status: int, message: str) -> None:
        """Respond without the application, and close the connection.

        It is closed for good only a little later: bytes that the client is still
        sending would otherwise have its system discard the response.
        """
        self._refused = True
        self.connections.discard(self)
        self._metrics.answered("connection", status, 0)
        self._stop_watching()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # so that the application gives up
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = error_body(message)
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        if status == 503:
            headers.append(("retry-after", "1"))
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.write_eof()
        self._abort_after(LINGERING)

    def _abort_after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)
