"""Against a server on this machine that cuts, stalls, lies and refuses."""

import base64
import hashlib
import http.server
import os
import threading

import pytest

from keras_vit.weights import download
from keras_vit.weights.download import cached

CONTENT = os.urandom(3_000_000)


class Server(http.server.BaseHTTPRequestHandler):
    requests = []

    def do_GET(self):
        Server.requests.append(self.path)
        how = self.path.split("/")[1]
        if how == "missing":
            return self.send_error(404)
        length = len(CONTENT) + (1000 if how == "cut" else 0)
        length -= 1000 if how == "short" else 0
        digest = hashlib.md5(b"other" if how == "changed" else CONTENT).digest()
        self.send_response(200)
        if how != "unsized":
            self.send_header("Content-Length", str(length))
        value = f"crc32c=AAAAAA==, md5={base64.b64encode(digest).decode()}"
        self.send_header("x-goog-hash", value)
        self.end_headers()
        try:
            self.wfile.write(CONTENT[:1_500_000])
            if how == "stall":
                Server.release.wait(20)
            self.wfile.write(CONTENT[1_500_000:])
        except OSError:
            pass  # the other side has left
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    Server.requests, Server.release = [], threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        Server.release.set()
        running.shutdown()


@pytest.mark.parametrize("how", ["whole", "unsized"])
def test_a_file_is_downloaded_once_into_the_cache(how, server, tmp_path, capfd):
    path = cached(f"{server}/{how}/a%2Bb.npz")
    assert path == tmp_path / "keras_vit" / how / "a+b.npz"
    assert path.read_bytes() == CONTENT
    assert "a+b.npz" in capfd.readouterr().err  # the progress bar
    assert cached(f"{server}/{how}/a%2Bb.npz") == path
    assert len(Server.requests) == 1
    assert os.listdir(path.parent) == ["a+b.npz"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("missing", "404"),
        ("cut", "could not be downloaded"),
        ("short", "the checksum is not the server's"),
        ("changed", "the checksum is not the server's"),
        ("stall", "timed out"),
    ],
)
def test_what_does_not_arrive_whole_leaves_nothing(
    how, reason, server, tmp_path, monkeypatch
):
    if how == "stall":
        monkeypatch.setattr(download, "STALL_SECONDS", 0.5)
    url = f"{server}/{how}/a.npz"
    with pytest.raises(OSError, match=f"(?s){reason}") as error:
        cached(url)
    assert url in str(error.value)
    assert f"put the file at {tmp_path / 'keras_vit' / how / 'a.npz'}" in str(
        error.value
    )
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_a_server_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(OSError, match="Without a network, put the file at"):
        cached("http://127.0.0.1:9/a.npz")


def test_an_interruption_leaves_nothing_that_looks_whole(server, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(download.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached(f"{server}/whole/a.npz")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
