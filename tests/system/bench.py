"""The tests' own way into the lab: the public commands as operators type them, and plain tools in its machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.places import ROOT
from tests.system import warm

ZONE = "internal.thinkheads.ai"
PAGES = {
    "granite-3b": "/health",
    "granite-embedding": "/health",
    "llamacpp": "/health",
    "nginx": "/health",
    "ollama": "/api/tags",
    "portainer": "/api/system/status",
    "qdrant": "/readyz",
    "thinkheads-ai": "/health",
}
"""A page of each exposed service that answers any client with 200."""
SERVICES = (*PAGES, "qdrant-grpc", "traefik")
"""Every exposed service: gRPC has no page, and the mesh's dashboard is for those who manage the estate."""
GUESTS = {
    "step-ca": "10.0.0.10",
    "nginx-gateway": "10.0.0.153",
    "traefik": "10.0.0.12",
    "portainer": "10.0.0.111",
    "drphoenix": "10.0.0.102",
    "granite-embedding": "10.0.0.141",
    "granite-3b": "10.0.0.142",
    "ollama": "10.0.0.155",
    "llamacpp": "10.0.0.157",
}
TRUSTED = ("pve", *(name for name in GUESTS if name != "step-ca"))
CA_DIRECTORY = "/mnt/pve/quickOS/lxc-persistent-data/103/ssl"
CLIENT_ROOT = "/root/phoenix_ca.crt"
RUNBOOKS = frozenset(f"runbooks/{path.name}" for path in ROOT.glob("runbooks/[a-z]*.py")) - {"runbooks/lab.py"}
"""Those that load more than they need to begin with."""


@dataclass(frozen=True)
class Deployed:
    """What one run of the runbook said."""

    status: int
    output: str
    record: dict[str, Any]

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Every change, as host and resource."""
        return [
            (host, change["resource"])
            for host, entry in self.record["hosts"].items()
            for task in entry["tasks"]
            for change in task["changes"]
        ]

    @property
    def outcome(self) -> tuple[int, str]:
        """Status and output alone."""
        return self.status, self.output

    def errors(self, host: str) -> str:
        """What a host's tasks complained of."""
        return "; ".join(task.get("error") or "" for task in self.record["hosts"][host]["tasks"])


def run(*command: str, data: bytes = b"", limit: float = 60, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command of the repository; gives status and everything it printed."""
    everything = {**os.environ, **(env or {})}
    if command[0] == sys.executable and command[1] in RUNBOOKS and warm.SOCKET in os.environ:
        return warm.run(command[1:], data, limit, everything)
    done = subprocess.run(
        command,
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        timeout=limit,
        check=False,
        env=everything,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def lab(*arguments: str, limit: float = 240) -> tuple[int, str]:
    """Run runbooks/lab.py."""
    return run(sys.executable, "runbooks/lab.py", *arguments, limit=limit)


def inside(host: str, script: str, *, data: bytes = b"", limit: float = 60) -> tuple[int, str]:
    """Run a shell script inside a machine of the lab."""
    return run(sys.executable, "runbooks/lab.py", "exec", host, "--", "sh", "-c", script, data=data, limit=limit)


def sh(host: str, script: str, *, limit: float = 60) -> str:
    """What a script inside a machine printed; it must succeed."""
    status, output = inside(host, script, limit=limit)
    assert status == 0, f"{host}: {script!r} gave {status}: {output}"
    return output.strip()


def everywhere(hosts: tuple[str, ...], script: str, *, limit: float = 60) -> dict[str, tuple[int, str]]:
    """Run a script inside several machines at once."""
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(hosts, pool.map(lambda host: inside(host, script, limit=limit), hosts), strict=True))


def deploy(
    *arguments: str, record: Path | None = None, limit: float = 280, env: dict[str, str] | None = None
) -> Deployed:
    """Run runbooks/deploy.py on the lab."""
    file = record or Path(os.environ.get("TMPDIR", "/tmp")) / f"phoenix-record-{os.getpid()}.json"
    file.unlink(missing_ok=True)
    command = (sys.executable, "runbooks/deploy.py", "--lab", "--json", str(file), *arguments)
    status, output = run(*command, limit=limit, env=env)
    found = json.loads(file.read_text()) if file.exists() else {}
    file.unlink(missing_ok=True)
    return Deployed(status, output, found)


def authority(*arguments: str) -> tuple[int, str]:
    """Run runbooks/authority.py on the lab."""
    return run(sys.executable, "runbooks/authority.py", *arguments, "--lab", limit=120)


def fetch(name: str, path: str = "/", *, options: str = "-f") -> tuple[int, str]:
    """Ask for a page of a service from the client, with every certificate verified."""
    url = f"https://{name}.{ZONE}{path}"
    return inside("client", f"curl -sS {options} --max-time 10 --cacert {CLIENT_ROOT} {url}")


def give_client_the_root() -> None:
    """Put the exported root on the client, as an operator would hand it out."""
    root = sh("pve", f"cat {CA_DIRECTORY}/phoenix_ca.crt")
    status, output = inside("client", f"cat >{CLIENT_ROOT}", data=root.encode() + b"\n")
    assert status == 0, output
