"""A web server for one folder on this machine, for this machine alone."""

import http.server
import sys
from functools import partial
from pathlib import Path

HOST = "127.0.0.1"


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json",
    }  # fmt: skip

    def end_headers(self) -> None:
        # What a browser asks for before it gives a page several threads.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "credentialless")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: a line a file would bury what matters."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        """Says nothing of a browser that left in the midst of a file."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serving(folder: Path, *, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of a folder; `serve_forever` runs it, `server_address` says where.

    Args:
        folder: What it serves.
        port: 0 takes any that is free.
    """
    return _Server((HOST, port), partial(_Handler, directory=str(folder)))
