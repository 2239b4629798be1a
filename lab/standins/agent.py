"""Stand-in for the Portainer agent (image portainer/agent). It says so at /ping.

Speaks, over HTTPS on 9001 with a certificate made at start, as the real one: GET /ping (204, with the agent's
headers), and GET of any Docker path (/info, /version, /containers/json; also below /docker), answered by
the Docker socket where that is mounted. It cannot verify clients, as the real one: who may connect is the
business of whatever stands before it. It does not check Portainer's signature header.
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
    """HTTP over Docker's socket."""

    def connect(self) -> None:
        """Connect to the socket's path instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(DOCKER))


def ask_docker(path: str) -> tuple[int, Any]:
    """What Docker answers; without its socket, the little that is known."""
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
        """Who answers."""
        return {
            "Portainer-Agent": VERSION,
            "Portainer-Agent-Platform": "1",
            "Lab-Stand-In": "portainer-agent",
        }

    def respond(self, method: str, path: str) -> tuple[int, Any]:
        """Answer the paths above."""
        if path == "/ping":
            return 204, None
        if method != "GET":
            raise Refusal(501, "the lab's agent only reads")
        return ask_docker(path.removeprefix("/docker") or "/")


def main() -> None:
    """Serve until ended."""
    name = os.environ.get("AGENT_CLUSTER_ADDR") or socket.gethostname()
    start(int(os.environ.get("AGENT_PORT") or 9001), PortainerAgent, self_signed(Path(tempfile.mkdtemp()), name))
    until_ended()


if __name__ == "__main__":
    main()
