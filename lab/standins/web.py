"""The HTTP server of the stand-ins: JSON over HTTP, with or without TLS. Standard library only."""

from __future__ import annotations

import http.server
import json
import signal
import socketserver
import ssl
import subprocess
import sys
import threading
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

MAX_BODY = 4 << 20


class Refusal(Exception):  # noqa: N818 - a regular response, raised where the handler decides it
    """An error response: HTTP status and message."""

    def __init__(self, status: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "details": details or message}


class StandInHandler(http.server.BaseHTTPRequestHandler):
    """Passes each request to `respond` and sends its result, or the Refusal that it raises."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    body = b""

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Return the status and the content: None, bytes (an HTML page) or a JSON value."""
        raise NotImplementedError

    def extra_headers(self) -> dict[str, str]:
        """Return headers for every response."""
        return {}

    def log_message(self, *_: Any) -> None:
        """Log no requests."""

    def do_GET(self) -> None:
        """Answer a request of any method."""
        try:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY:
                self._discard(length)
                raise Refusal(413, "the body is too large")  # noqa: TRY301 - sent like any other refusal
            self.body = self.rfile.read(length)
            status, content = self.respond(self.command, self.path.partition("?")[0])
        except Refusal as refusal:
            status, content = refusal.status, refusal.body
        self._send(status, content)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names for them

    def _discard(self, length: int) -> None:
        """Read a refused body: closing with unread data resets the connection, and a proxy may miss the response."""
        while length > 0 and (chunk := self.rfile.read(min(length, 1 << 16))):
            length -= len(chunk)

    def _send(self, status: int, content: Any) -> None:
        page = isinstance(content, bytes)
        body = b"" if content is None else content if page else json.dumps(content).encode()
        self.send_response(status)
        for name, value in self.extra_headers().items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
        if status != 204:  # noqa: PLR2004 - No Content has no Content-Length (RFC 9110, section 8.6)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self) -> dict[str, Any]:
        """Return the request's body as a JSON object; raise Refusal if it is not one."""
        try:
            body = json.loads(self.body or b"{}")
        except ValueError:
            raise Refusal(400, "Invalid request payload") from None
        if not isinstance(body, dict):
            raise Refusal(400, "Invalid request payload")
        return body

    def form(self) -> dict[str, str]:
        """Return the fields of the request's body, which is multipart/form-data or a JSON object."""
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            return {key: str(value) for key, value in self.json().items()}
        message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + self.body)
        fields = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            fields[str(name)] = content.decode() if isinstance(content, bytes) else ""
        return fields


class StandInServer(http.server.ThreadingHTTPServer):
    """An HTTP server with one thread per connection, which also does the TLS handshake."""

    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Bind without the standard library's DNS lookup of the server's own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, *_: Any) -> None:
        """Log one line for a broken connection."""
        print("connection:", repr(sys.exc_info()[1]), file=sys.stderr, flush=True)


def start(port: int, handler: type[StandInHandler], tls: tuple[Path, Path] | None = None) -> StandInServer:
    """Serve in a thread; over TLS if a certificate and a key are given."""
    server = StandInServer(("", port), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def until_ended() -> None:
    """Wait for SIGTERM or SIGINT, for which a container's first process has no default action."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    threading.Event().wait()


def self_signed(directory: Path, name: str) -> tuple[Path, Path]:
    """Return a self-signed certificate and its key, generating them if they do not exist."""
    directory.mkdir(parents=True, exist_ok=True)
    certificate, key = directory / "cert.pem", directory / "key.pem"
    if not certificate.exists():
        subprocess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "3650", "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate),
            ],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
    return certificate, key
