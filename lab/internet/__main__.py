"""`python3 -m phoenix.lab.internet`: serves DNS, packages and images from one process in the namespace `internet`."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from phoenix.lab.internet import dns, mirror, registry
from phoenix.lab.internet.names import MIRROR, REGISTRY, RESOLVERS
from phoenix.lab.places import INSIDE_IMAGE, INSIDE_REGISTRY, INTERNET


def ready() -> None:
    """Notify systemd that all servers listen (sd_notify(3))."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bus:
            bus.connect(path.replace("@", "\0", 1) if path.startswith("@") else path)
            bus.send(b"READY=1")


def main() -> None:
    """Serve until the process is killed."""
    public = Path(INSIDE_IMAGE, "public")
    servers = [
        *dns.servers((INTERNET, *RESOLVERS)),
        mirror.server(MIRROR, public),
        registry.server(REGISTRY, INSIDE_REGISTRY, public / "web"),
    ]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ready()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
