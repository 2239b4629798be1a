"""The package mirror of the lab's Internet: serves the image's files below /debian over HTTP.

It answers 401 for Proxmox's packages for subscribers, as the real one does to a node without subscription.
"""

from __future__ import annotations

import http.server
import socketserver
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from phoenix.lab.internet.names import SUBSCRIPTION

if TYPE_CHECKING:
    from pathlib import Path


class MirrorHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files over persistent connections; logs no requests and lists no directories."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def send_head(self) -> Any:
        """Refuse everything of the host that requires a subscription; else send the header of a file."""
        if self.headers.get("Host") == SUBSCRIPTION:
            self.send_error(HTTPStatus.UNAUTHORIZED)
            return None
        return super().send_head()

    def translate_path(self, path: str) -> str:
        """Return the file of a normalized path; map every path outside /debian to a file that does not exist."""
        file, packages = super().translate_path(path), f"{self.directory}/debian/"
        return file if file.startswith(packages) else f"{packages}none"

    def log_message(self, *_: Any) -> None:
        """Log no requests."""

    def list_directory(self, *_: Any) -> None:
        """Refuse: apt requests files only."""
        self.send_error(404)


class InternetServer(http.server.ThreadingHTTPServer):
    """An HTTP server with one thread per connection."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without the standard library's DNS lookup of the server's own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


def server(address: str, public: Path, port: int = 80) -> InternetServer:
    """Return a server for the files below `public`/debian."""
    return InternetServer((address, port), partial(MirrorHandler, directory=str(public)))
