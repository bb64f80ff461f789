"""Serve this folder to the browsers of this machine.

    python serve.py [--port PORT]

Any server of files will do. This one adds the two headers without which a
browser gives WebAssembly no threads.
"""

import argparse
import functools
import http.server
import pathlib


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, for a page that is isolated from other origins."""

    # What a system says of these suffixes is not always what browsers ask for.
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self):
        """Add to the headers of every file."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")  # a new model.tflite is seen
        super().end_headers()


def main(port=8000):
    """Serve until Ctrl-C."""
    here = pathlib.Path(__file__).resolve().parent
    handler = functools.partial(Handler, directory=here)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", type=int, nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=8000, help="0: any free one")
    chosen = parser.parse_args()
    main(chosen.port if chosen.number is None else chosen.number)
