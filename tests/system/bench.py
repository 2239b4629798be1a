"""The system tests' access to the lab: the public commands, as operators type them, and scripts in its machines."""

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
"""A page of each exposed service that returns 200 to any client."""
SERVICES = (*PAGES, "qdrant-grpc", "traefik")
"""All exposed services: gRPC has no page, and the mesh's dashboard is limited to operators."""
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
"""The runbooks that `warm` runs; runbooks/lab.py loads few modules and starts fast."""


@dataclass(frozen=True)
class Deployed:
    """One run of the deploy runbook: exit status, output and JSON record."""

    status: int
    output: str
    record: dict[str, Any]

    @property
    def changes(self) -> list[tuple[str, str]]:
        """All changes, as host and resource."""
        return [
            (host, change["resource"])
            for host, entry in self.record["hosts"].items()
            for task in entry["tasks"]
            for change in task["changes"]
        ]

    @property
    def outcome(self) -> tuple[int, str]:
        """Exit status and output."""
        return self.status, self.output

    def errors(self, host: str) -> str:
        """Return the errors of a host's tasks."""
        return "; ".join(task.get("error") or "" for task in self.record["hosts"][host]["tasks"])


def run(*command: str, data: bytes = b"", limit: float = 60, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command of the repository; return its status and output."""
    environment = {**os.environ, **(env or {})}
    if command[0] == sys.executable and command[1] in RUNBOOKS and warm.SOCKET in os.environ:
        return warm.run(command[1:], data, limit, environment)
    done = subprocess.run(
        command,
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        timeout=limit,
        check=False,
        env=environment,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def lab(*arguments: str, limit: float = 240) -> tuple[int, str]:
    """Run runbooks/lab.py."""
    return run(sys.executable, "runbooks/lab.py", *arguments, limit=limit)


def inside(host: str, script: str, *, data: bytes = b"", limit: float = 60) -> tuple[int, str]:
    """Run a shell script inside a machine of the lab; return its status and output."""
    return run(sys.executable, "runbooks/lab.py", "exec", host, "--", "sh", "-c", script, data=data, limit=limit)


def sh(host: str, script: str, *, limit: float = 60) -> str:
    """Run a shell script inside a machine of the lab that must succeed; return its output."""
    status, output = inside(host, script, limit=limit)
    assert status == 0, f"{host}: {script!r} gave {status}: {output}"
    return output.strip()


def everywhere(hosts: tuple[str, ...], script: str, *, limit: float = 60) -> dict[str, tuple[int, str]]:
    """Run a script inside several machines concurrently; return status and output by host."""
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
    content = json.loads(file.read_text()) if file.exists() else {}
    file.unlink(missing_ok=True)
    return Deployed(status, output, content)


def authority(*arguments: str) -> tuple[int, str]:
    """Run runbooks/authority.py on the lab."""
    return run(sys.executable, "runbooks/authority.py", *arguments, "--lab", limit=120)


def fetch(name: str, path: str = "/", *, options: str = "-f") -> tuple[int, str]:
    """Request a page of a service from the client and verify its certificate."""
    url = f"https://{name}.{ZONE}{path}"
    return inside("client", f"curl -sS {options} --max-time 10 --cacert {CLIENT_ROOT} {url}")


def give_client_the_root() -> None:
    """Copy the exported root to the client, as an operator would."""
    root = sh("pve", f"cat {CA_DIRECTORY}/phoenix_ca.crt")
    status, output = inside("client", f"cat >{CLIENT_ROOT}", data=root.encode() + b"\n")
    assert status == 0, output
