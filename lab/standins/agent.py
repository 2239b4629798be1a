"""Stand-in for the Portainer agent (image portainer/agent). Its headers at /ping identify it as a stand-in.

Implements, over HTTPS on 9001 with a certificate generated at start, like the real agent: GET /ping (204, with the
agent's headers), and GET of any Docker path (/info, /version, /containers/json; also below /docker), passed on to the
Docker socket if that is mounted. Like the real agent, it does not verify client certificates: a proxy in front of it
does. It does not check Portainer's signature header.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from phoenix.lab.standins.web import Refusal, StandInHandler, self_signed, start, until_ended

DOCKER = Path("/var/run/docker.sock")
VERSION = "2.21.0"


class DockerConnection(http.client.HTTPConnection):
    """An HTTP connection to Docker's Unix socket."""

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(DOCKER))


def get_from_docker(path: str) -> tuple[int, Any]:
    """Return Docker's status and JSON for a path; without its socket, only /info and /version have an answer."""
    if not DOCKER.exists():
        if path in ("/info", "/version"):
            return 200, {"Name": socket.gethostname(), "ServerVersion": "none", "StandIn": True}
        raise Refusal(503, "the Docker socket is not mounted")
    try:
        connection = DockerConnection("localhost")
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    except (OSError, ValueError) as error:
        raise Refusal(502, f"Docker does not answer: {error}") from error


class PortainerAgent(StandInHandler):
    """The agent's API."""

    def extra_headers(self) -> dict[str, str]:
        """Return the real agent's headers and the stand-in's own."""
        return {
            "Portainer-Agent": VERSION,
            "Portainer-Agent-Platform": "1",
            "Lab-Stand-In": "portainer-agent",
        }

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer a path of the module's list."""
        if path == "/ping":
            return 204, None
        if method != "GET":
            raise Refusal(501, "the lab's agent implements GET only")
        return get_from_docker(path.removeprefix("/docker") or "/")


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    name = os.environ.get("AGENT_CLUSTER_ADDR") or socket.gethostname()
    start(int(os.environ.get("AGENT_PORT") or 9001), PortainerAgent, self_signed(Path(tempfile.mkdtemp()), name))
    until_ended()


if __name__ == "__main__":
    main()
