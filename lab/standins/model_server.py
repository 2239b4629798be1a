"""Stand-in for the model servers (vLLM, Ollama, llama.cpp). The name of its one model identifies it as a stand-in.

Implements, over HTTP on each `--http PORT` (and each `--tcp PORT`): GET / and /health, GET /v1/models like OpenAI,
GET /api/tags and /api/version like Ollama. It is a single file without imports of the lab, which copies it into guests.
"""

from __future__ import annotations

import argparse
import http.server
import json
import socket
import socketserver
import threading
from typing import Any

MODEL = "lab-stand-in"
ANSWERS: dict[str, Any] = {
    "/": {"status": "running", "stand_in": True},
    "/health": {"status": "ok"},
    "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "phoenix-lab"}]},
    "/api/tags": {"models": [{"name": MODEL, "model": MODEL, "size": 0}]},
    "/api/version": {"version": "0.0.0-lab-stand-in"},
}


class ModelHandler(http.server.BaseHTTPRequestHandler):
    """Answers from the table ANSWERS."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_: Any) -> None:
        """Log no requests."""

    def do_GET(self) -> None:
        """Answer a path of the table, or 404."""
        content = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(content or {"error": "not found", "host": socket.gethostname()}).encode()
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - http.server's name for it


class ModelServer(http.server.ThreadingHTTPServer):
    """An HTTP server with one thread per connection."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without the standard library's DNS lookup of the server's own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


def main() -> None:
    """Serve on all ports until the process is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", "--tcp", dest="ports", action="append", type=int, required=True)
    servers = [ModelServer(("", port), ModelHandler) for port in dict.fromkeys(parser.parse_args().ports)]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
