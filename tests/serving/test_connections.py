"""How long a connection waits for what is missing, on a clock that the tests turn."""

import asyncio
from unittest import mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from keras_vit.serving.body import Bodies
from keras_vit.serving.connection import (
    LARGEST_HEAD,
    LINGERING,
    Connections,
    watched,
)
from keras_vit.serving.limits import Limits, RefusedError, error_body
from keras_vit.serving.metrics import Metrics

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
    async def chunks():
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            yield message["body"]
            more = message["more_body"]

    status, content = 200, b""
    if scope["path"] == "/unread":
        status, content = 404, b"none of it"
    else:
        try:
            async with Bodies(Limits(seconds=SECONDS)).read(None, chunks()) as body:
                content = b"read " + bytes(body[:20])
        except RefusedError as error:
            status, content = error.status, error_body(error.message)
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Client:
    """The other end of a connection: what it sends, and what it has got."""

    def __init__(self, clock, all_of_them=None):
        self.got, self.clock = b"", clock
        self.transport = mock.Mock(spec=asyncio.Transport)
        self.transport.get_extra_info.return_value = None
        self.transport.is_closing.return_value = False
        self.transport.write.side_effect = self._get
        self.transport.get_write_buffer_size.return_value = 0
        limits = Limits(seconds=SECONDS, connections=2)
        self.connection = (all_of_them or Connections(limits, Metrics()))(
            config=uvicorn.Config(watched(answer_whole_bodies), log_config=None),
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
    client.transport.write_eof.assert_called_once()
    clock.pass_by(LINGERING)
    client.transport.abort.assert_called_once()


def test_a_response_that_is_still_being_read_is_not_cut_off(client, clock):
    client.send(HEAD.replace(b"Host", b"Connection: close\r\nHost") + BODY)
    assert client.statuses() == [200]
    client.transport.get_write_buffer_size.return_value = 1
    clock.pass_by(LINGERING)
    client.transport.abort.assert_not_called()
    clock.pass_by(SECONDS)
    client.transport.abort.assert_called_once()


def test_a_connection_above_the_limit_is_told_so(clock):
    everyone = Connections(Limits(seconds=SECONDS, connections=2), Metrics())
    clients = [Client(clock, everyone) for _ in range(3)]
    for one in clients:
        one.send(HEAD + BODY)
    assert [one.statuses() for one in clients] == [[200], [200], [503]]
    assert b"retry-after: 1\r\n" in clients[2].got
    clients[0].connection.connection_lost(None)
    clients[2].connection.connection_lost(None)
    last = Client(clock, everyone)
    last.send(HEAD + BODY)
    assert last.statuses() == [200]


def test_a_head_without_end_is_refused_long_before_its_time(client, clock):
    client.send(HEAD[:-2] + b"X: ")
    for _ in range(5):
        client.send(b"a" * (LARGEST_HEAD // 4))
    assert client.statuses() == [400]
    clock.pass_by(LINGERING)
    client.transport.abort.assert_called_once()


def test_a_head_without_end_behind_a_request_is_not_read_on(client, clock):
    client.send(HEAD)
    client.send(BODY + HEAD[:-2] + b"X: " + b"a" * LARGEST_HEAD)
    for _ in range(2):
        client.send(b"a" * LARGEST_HEAD)
    assert client.statuses() == [200, 400]


def test_a_head_that_begins_behind_a_request_has_its_time_too(client, clock):
    client.send(HEAD + BODY + HEAD[:5])
    assert client.statuses() == [200]
    clock.pass_by(1.1 * SECONDS)
    assert client.statuses() == [200, 408]


def test_large_bodies_are_no_heads_and_requests_may_be_sent_in_advance(client):
    body = b" " * 4 * LARGEST_HEAD
    large = HEAD.replace(b": 10", b": %d" % len(body))
    client.send(large + body)
    for _ in range(3):
        client.send(HEAD + BODY + HEAD + BODY)
    assert client.statuses() == [200] * 7


def test_what_follows_a_body_that_was_not_read_is_not_either(client, clock):
    client.send(HEAD.replace(b"POST /", b"POST /unread") + BODY[:5])
    assert client.statuses() == [404]
    assert b"connection: close" in client.got
    client.send(BODY[5:] + HEAD + BODY)
    assert client.statuses() == [404]
    client.transport.write_eof.assert_called_once()
    clock.pass_by(LINGERING)
    client.transport.abort.assert_called_once()


@pytest.mark.parametrize("cut", [0, 1, 40, len(HEAD) + 40, len(HEAD) + 75])
def test_a_wish_for_another_protocol_is_passed_over_and_not_the_body(cut, client):
    """Java's client has one in each first request, curl by `--http2`."""
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHost"
    sent = HEAD.replace(b"Host", wish) + BODY + HEAD + BODY
    for part in (sent[:cut], sent[cut:]):
        client.send(part)
    assert client.statuses() == [200, 200]
    assert client.got.count(b"read 0123456789") == 2


def test_a_tunnel_is_no_request_for_this_server(client):
    client.send(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
    assert client.statuses() == [400]


def test_what_stands_behind_chunks_is_left_out_and_limited(client):
    chunked = HEAD.replace(b"Content-Length: 10", b"Transfer-Encoding: chunked")
    client.send(chunked + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n")
    assert client.statuses() == [200]
    assert b"read abc" in client.got
    client.send(chunked + b"3\r\nabc\r\n0\r\n")
    for _ in range(3):
        client.send(b"x: y\r\n" * (LARGEST_HEAD // 12))
    assert client.statuses() == [200, 400]


def test_a_client_that_is_refused_takes_no_place_from_others(clock):
    everyone = Connections(Limits(seconds=SECONDS, connections=1), Metrics())
    first, refused = (Client(clock, everyone) for _ in range(2))
    assert refused.statuses() == [503]
    first.connection.connection_lost(None)
    last = Client(clock, everyone)  # while the refused one has not hung up
    last.send(HEAD + BODY)
    assert last.statuses() == [200]
