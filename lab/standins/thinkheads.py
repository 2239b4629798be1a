"""Stand-in for the estate's own application (image thinkheads/thinkheads_ai_app). GET / identifies it as a stand-in.

Implements, over HTTP on 8000 or the port in API_PORT: GET /, /health, /headers (returns the request's headers) and
/stream (sends a word every 0.3 s, like a model). /ws is a WebSocket that echoes its messages (RFC 6455).
"""

from __future__ import annotations

import os
import time
from base64 import b64encode
from hashlib import sha1
from typing import Any

from phoenix.lab.standins.web import Refusal, StandInHandler, start, until_ended

PORT = 8000
CLOSE, MAX_LENGTH = 8, 125  # the close opcode, and the longest payload without an extended length field
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Application(StandInHandler):
    """The application's paths."""

    def do_GET(self) -> None:  # noqa: N802 - http.server's name for it
        """Answer a request, stream, or switch to a WebSocket."""
        if self.path == "/ws" and self.headers.get("Upgrade", "").lower() == "websocket":
            self._echo()
        elif self.path == "/stream":
            self._stream()
        else:
            super().do_GET()

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for word in ("one", "two", "three", "four"):
            self.wfile.write(f"data: {word}\n\n".encode())
            time.sleep(0.3)
        self.close_connection = True

    def _echo(self) -> None:
        key = self.headers["Sec-WebSocket-Key"] + MAGIC
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", b64encode(sha1(key.encode()).digest()).decode())  # noqa: S324 - the RFC
        self.end_headers()
        self.close_connection = True
        self.connection.settimeout(None)
        while len(head := self.rfile.read(2)) == 2:  # noqa: PLR2004 - a frame's first two bytes
            kind, length = head[0] & 15, head[1] & 127
            if length > MAX_LENGTH:
                return
            mask, content = self.rfile.read(4), self.rfile.read(length)
            plain = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
            self.wfile.write(bytes([0x80 | kind, length]) + plain)
            if kind == CLOSE:
                return

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer a path of the module's list."""
        if method in ("GET", "HEAD") and path == "/":
            return 200, {"app": "thinkheads_ai_app (lab stand-in)"}
        if method in ("GET", "HEAD") and path == "/health":
            return 200, {"status": "ok"}
        if method == "GET" and path == "/headers":
            return 200, {name.lower(): value for name, value in self.headers.items()}
        raise Refusal(404, "not found")


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    start(int(os.environ.get("API_PORT") or PORT), Application)
    until_ended()


if __name__ == "__main__":
    main()
