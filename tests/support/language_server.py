"""pyright's language server, as an editor talks to it: JSON-RPC over pipes."""

import json
import pathlib
import subprocess


class LanguageServer:
    """A running language server of one folder, to be closed by `with`.

    Args:
        command: the path of `pyright-langserver`.
        folder: the editor's workspace, with a `pyrightconfig.json`.
    """

    def __init__(self, command: str, folder: pathlib.Path) -> None:
        self._process = subprocess.Popen(
            [command, "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._number = 0
        self._folder = folder
        uri = folder.as_uri()
        self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": uri,
                "capabilities": {"workspace": {"workspaceFolders": True}},
                "workspaceFolders": [{"uri": uri, "name": "workspace"}],
            },
        )
        self._send({"method": "initialized", "params": {}})

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def at_the_end_of(self, text: str, method: str):
        """Return the reply to a request about the end of a document."""
        uri = (self._folder / "document.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self._send(
            {"method": "textDocument/didOpen", "params": {"textDocument": document}}
        )
        lines = text.split("\n")
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        reply = self.request(
            f"textDocument/{method}",
            {"textDocument": {"uri": uri}, "position": position},
        )
        self._send(
            {
                "method": "textDocument/didClose",
                "params": {"textDocument": {"uri": uri}},
            }
        )
        return reply

    def request(self, method: str, params: dict):
        """Return the server's reply, and answer what it asks meanwhile."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" not in message and message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            if "method" in message and "id" in message:
                items = message.get("params", {}).get("items", [])
                configuration = message["method"] == "workspace/configuration"
                result = [{} for _ in items] if configuration else None
                self._send({"id": message["id"], "result": result})

    def _send(self, message: dict) -> None:
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict:
        length = None
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length is not None, "the language server has stopped"
        return json.loads(self._process.stdout.read(length))
