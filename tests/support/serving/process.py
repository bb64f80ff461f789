"""A server in a process of its own, as the command starts it."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import httpx

COMMAND = (sys.executable, "-c", "import keras_vit_command as c; exit(c.main())")
PATIENCE = 300  # seconds, after which a test has failed rather than waits


class Process:
    """`keras-vit serve` at a free port.

    Args:
        folder: of a SavedModel's versions.
        flags: of the command.
    """

    def __init__(self, folder, *flags):
        self._process = subprocess.Popen(
            [*COMMAND, "serve", f"--model={folder}", "--port=0", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        )
        self.line = self.port = None

    def __enter__(self):
        self.line = self._process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", self.line)
        assert found, self._process.communicate()[1]
        self.url, self.port = found[0], int(found[1])
        self.path = f"/v1/models/{self.line.split()[1]}:predict"
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.communicate()

    def send(self, number):
        self._process.send_signal(number)

    def ended(self):
        """Its status once it has ended, and what it wrote after its first line."""
        out, err = self._process.communicate(timeout=PATIENCE)
        return self._process.returncode, out, err

    def client(self):
        return httpx.Client(base_url=self.url, timeout=PATIENCE)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def exchange(self, *parts):
        """Sends bytes, and gives all that comes until the server closes."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return received(connection)

    def memory(self, name="VmRSS"):
        """Bytes in use now; `VmHWM` is the most so far."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024


def received(connection):
    """All bytes until the other side closes."""
    parts = []
    while part := connection.recv(2**16):
        parts.append(part)
    return b"".join(parts)


def until(condition):
    """Waits for what has to happen sooner or later."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
