"""What the stand-ins share: a small JSON-over-HTTP server, plain or with TLS. Standard library only."""

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


class Refusal(Exception):  # noqa: N818 - an answer like another, raised where it is decided
    """An error answer: a status and what to say."""

    def __init__(self, status: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "details": details or message}


class StandInHandler(http.server.BaseHTTPRequestHandler):
    """Passes each request to `respond`, and writes what that returns or refuses."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    body = b""

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """The status and the content: None, bytes (a page), or what JSON can say."""
        raise NotImplementedError

    def extra_headers(self) -> dict[str, str]:
        """Headers of every answer."""
        return {}

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer; the other methods likewise."""
        try:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY:
                raise Refusal(413, "the body is too large")  # noqa: TRY301 - answered like any other refusal
            self.body = self.rfile.read(length)
            status, content = self.respond(self.command, self.path.partition("?")[0])
        except Refusal as refusal:
            status, content = refusal.status, refusal.body
        self._send(status, content)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _send(self, status: int, content: Any) -> None:
        page = isinstance(content, bytes)
        body = b"" if content is None else content if page else json.dumps(content).encode()
        self.send_response(status)
        for name, value in self.extra_headers().items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
        if status != 204:  # noqa: PLR2004 - No Content has no length either
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self) -> dict[str, Any]:
        """The request's body as a JSON object."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            raise Refusal(400, "Invalid request payload") from None
        if not isinstance(found, dict):
            raise Refusal(400, "Invalid request payload")
        return found

    def form(self) -> dict[str, str]:
        """The request's body as a form with files, or as JSON where it is that."""
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
    """One thread a connection; the TLS handshake happens there too."""

    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Bind without asking a resolver for our own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, *_: Any) -> None:
        """One line for a connection that broke."""
        print("connection:", repr(sys.exc_info()[1]), file=sys.stderr, flush=True)


def start(port: int, handler: type[StandInHandler], tls: tuple[Path, Path] | None = None) -> StandInServer:
    """Serve in a thread; with a certificate and a key, over TLS."""
    server = StandInServer(("", port), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def until_ended() -> None:
    """Wait for SIGTERM or SIGINT, which a container's first process must ask for."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    threading.Event().wait()


def self_signed(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key, made unless they are there."""
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
