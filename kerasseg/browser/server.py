"""A web server for one folder on this machine, for this machine alone."""

import http.server
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


def serving(folder: Path, *, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of a folder; `serve_forever` runs it, `server_address` says where.

    Args:
        folder: What it serves.
        port: 0 takes any that is free.
    """
    return http.server.ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder)))
