"""The process that listens: connections, signals, one line at the start."""

import contextlib
import signal
import socket
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

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
LINGERING = 2.0  # seconds in which a client may take the answer that ends it
BACKLOG = 2048
ENDING = (signal.SIGINT, signal.SIGTERM)


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
            with _signals_heard(server):
                server.run([listener])
        finally:
            versions.close()
            batcher.close()


def _listener(host, port):
    """A socket that is bound, so that a port that is taken is told at once.

    It is named a TCP one because asyncio sends small answers without delay only then.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"Cannot listen at {host}, port {port}: {error.strerror}. Another --port, "
            "or 0 for any free one, may do."
        ) from error
    return listener


def _url(listener):
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
def _signals_heard(server):
    """Has signals end the server alone: before it hears them itself, and after.

    When it has ended, uvicorn raises once more those that it has heard.
    """

    def end(number, frame):
        server.should_exit = True

    before = {one: signal.signal(one, end) for one in ENDING}
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


class _Connection(H11Protocol):
    """A connection that cannot be kept open for nothing.

    uvicorn waits without end for a request to arrive, for the rest of a body that has
    been refused and for an answer to be read, and what it refuses gets no JSON.
    """

    def __init__(self, limits, metrics, **arguments):
        super().__init__(**arguments)
        self._limits, self._metrics = limits, metrics
        self._timer = self._awaited = self._unread = None
        self._refused = False

    def connection_made(self, transport):
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(
                503,
                f"{self._limits.connections} connections are open already. Ask again "
                "in a second.",
            )
        else:
            self._watch()

    def data_received(self, data):
        if not self._refused:
            super().data_received(data)
            self._watch()

    def on_response_complete(self):
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc):
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self):
        super().pause_writing()
        self._unread = self._abort_after(self._limits.seconds)

    def resume_writing(self):
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def timeout_keep_alive_handler(self):
        super().timeout_keep_alive_handler()
        self._abort_after(self._limits.seconds)  # if the client does not read

    def send_400_response(self, msg):
        self._refuse(
            400,
            f"Expected a request of HTTP/1.1, its head of up to {LARGEST_HEAD} bytes.",
        )

    def _watch(self):
        """Sets a limit to the time in which what is missing has to come.

        A head and a body have each their own, which what comes of them does not
        prolong.
        """
        awaited = self.conn.their_state
        if awaited not in (h11.IDLE, h11.SEND_BODY):
            self._stop_watching()
        elif awaited is not self._awaited:
            self._stop_watching()
            self._awaited = awaited
            self._timer = self.loop.call_later(self._limits.seconds, self._too_late)

    def _stop_watching(self):
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._awaited = None

    def _too_late(self):
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self.transport.close()  # nothing was begun
            return
        part = "head of a request" if self.conn.their_state is h11.IDLE else "body"
        self._refuse(
            408, f"Expected the whole {part} within {self._limits.seconds:g} seconds."
        )

    def _refuse(self, status, message):
        """Answers without the application, and ends the connection.

        It is closed for good only a little later: what the client is still sending
        would otherwise have its system discard the answer.
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

    def _abort_after(self, seconds):
        return self.loop.call_later(seconds, self.transport.abort)
