"""The package repository of the outside: files below /debian, over plain HTTP."""

from __future__ import annotations

import http.server
import socketserver
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class MirrorHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, keeps connections open, and does not list every request."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def translate_path(self, path: str) -> str:
        """The file of a path, once that is made plain; what lies beside the packages is not there."""
        found, packages = super().translate_path(path), f"{self.directory}/debian/"
        return found if found.startswith(packages) else f"{packages}none"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def list_directory(self, *_: Any) -> None:
        """Refuse: a package mirror is asked for files."""
        self.send_error(404)


class InternetServer(http.server.ThreadingHTTPServer):
    """One thread a connection."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking a resolver for our own name, as the standard library would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


def server(address: str, public: Path, port: int = 80) -> InternetServer:
    """The mirror, of everything below the directory."""
    return InternetServer((address, port), partial(MirrorHandler, directory=str(public)))
