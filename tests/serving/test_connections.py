"""How long a connection waits for what is missing, on a clock that the tests turn."""

import asyncio
from unittest import mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from keras_vit.serving.limits import Limits
from keras_vit.serving.metrics import Metrics
from keras_vit.serving.server import LINGERING, _Connection

BODY = b"0123456789"
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
SECONDS = 3.0


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes when it is told to."""

    now = 0.0

    def time(self):
        return self.now

    def pass_by(self, seconds):
        """Lets time pass, and what is due then happen."""
        self.now += seconds
        for _ in range(5):  # a callback may lead to another
            self.run_until_complete(asyncio.sleep(0))


async def answer_whole_bodies(scope, receive, send):
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"all of it"})


class Client:
    """The other end of a connection: what it sends, and what it has got."""

    def __init__(self, clock):
        self.got, self.clock = b"", clock
        self.transport = mock.Mock(spec=asyncio.Transport)
        self.transport.get_extra_info.return_value = None
        self.transport.is_closing.return_value = False
        self.transport.write.side_effect = self._get
        self.connection = _Connection(
            Limits(seconds=SECONDS),
            Metrics(),
            config=uvicorn.Config(answer_whole_bodies, log_config=None),
            server_state=ServerState(),
            app_state={},
            _loop=clock,
        )
        self.connection.connection_made(self.transport)

    def _get(self, data):
        self.got += data

    def send(self, data):
        self.connection.data_received(data)
        self.clock.pass_by(0)

    def statuses(self):
        return [int(one[:3]) for one in self.got.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
def clock():
    loop = Clock()
    yield loop
    loop.close()


@pytest.fixture
def client(clock):
    return Client(clock)


def test_a_body_has_its_whole_time_however_late_its_head_came(client, clock):
    for _ in range(2):  # and so has the next one of the same connection
        clock.pass_by(0.9 * SECONDS)
        client.send(HEAD)
        clock.pass_by(0.9 * SECONDS)
        client.send(BODY)
    assert client.statuses() == [200, 200]


@pytest.mark.parametrize("sent", [HEAD[:-1], HEAD], ids=["head", "body"])
def test_what_comes_in_drops_gets_no_more_time(sent, client, clock):
    client.send(sent)
    rest = (HEAD + BODY)[len(sent) :]
    for place in range(4):
        clock.pass_by(0.3 * SECONDS)
        assert (client.statuses() == []) == (place < 3)
        if place < 3 and sent is HEAD:
            client.send(rest[place : place + 1])
    assert client.statuses() == [408]
    part = b"body" if sent is HEAD else b"head of a request"
    assert b"Expected the whole %s within 3 seconds." % part in client.got
    client.transport.abort.assert_not_called()
    clock.pass_by(LINGERING)
    client.transport.abort.assert_called_once()


def test_nobody_is_told_anything_where_nothing_was_begun(client, clock):
    clock.pass_by(1.1 * SECONDS)
    assert client.got == b""
    client.transport.close.assert_called_once()
