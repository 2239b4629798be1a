"""Stand-in for the model servers (vLLM, Ollama, llama.cpp). It says so in the name of its one model.

Speaks, over HTTP on each `--http PORT` (and each `--tcp PORT`): GET / and /health, GET /v1/models as OpenAI,
GET /api/tags and /api/version as Ollama. Stands alone in one file, because the lab copies it into guests.
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
    """Answers from the table."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a path of the table."""
        content = ANSWERS.get(self.path.partition("?")[0])
        body = json.dumps(content or {"error": "not found", "host": socket.gethostname()}).encode()
        self.send_response(200 if content else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for


class ModelServer(http.server.ThreadingHTTPServer):
    """One thread a connection."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking a resolver for our own name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", "--tcp", dest="ports", action="append", type=int, required=True)
    servers = [ModelServer(("", port), ModelHandler) for port in dict.fromkeys(parser.parse_args().ports)]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
