"""The API server of the lab with fakes for guests and packet filter, in a thread, and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from fakepve.certs import make_cert  # type: ignore[import-untyped]  # it ships no types

from phoenix.lab.pve.api.server import LabPve
from phoenix.lab.pve.command import CommandError, CommandResult
from phoenix.lab.pve.packet_filter.files import FirewallFiles
from phoenix.lab.pve.role import NODE, TOKEN


class FakeRuntime:
    """Fakes the guest runtime: a started guest is alive; `fails` names a step that fails."""

    def __init__(self) -> None:
        self.pids: dict[int, int] = {}
        self.fails = ""
        self.refuses: dict[int, str] = {}
        """Reasons for which the next creation or start of a guest fails."""
        self.output = b""
        """What a program in a guest prints."""

    def execute(self, *_: Any, **__: Any) -> CommandResult:
        """Run no program."""
        return CommandResult(0, self.output, b"")

    @staticmethod
    def has_bridge(name: str) -> bool:
        """Whether it is the one bridge."""
        return name == "vmbr0"

    def __getattr__(self, step: str) -> Any:
        """Return a fake of any step of a guest's life."""

        def act(subject: Any, *_: Any, **__: Any) -> Any:
            vmid = subject if isinstance(subject, int) else subject.vmid
            if step == self.fails:
                raise CommandError(f"{step} does not work today")
            if step in ("create", "start") and vmid in self.refuses:
                raise CommandError(self.refuses.pop(vmid))
            if step == "start":
                self.pids[vmid] = 4711
            elif step in ("stop", "shutdown", "destroy"):
                self.pids.pop(vmid, None)
            return vmid in self.pids if step == "alive" else 0 if step == "memory" else True

        return act


class FakeFilter:
    """A packet filter without effects."""

    def wake(self, **_: Any) -> None:
        """Ignore the signal."""

    async def apply(self) -> None:
        """Apply no rules."""


class Client:
    """Calls a running server with the deploy token."""

    def __init__(self, pve: LabPve) -> None:
        self.pve = pve

    def call(self, method: str, path: str, **fields: Any) -> Any:
        """Return the data of a response, or its (status, reason) if it is not 200."""
        status, reason, body = self.send(method, path, fields)
        return body["data"] if status == 200 else (status, reason)

    def send(self, method: str, path: str, fields: Mapping[str, Any]) -> tuple[int, str, Any]:
        """Return the status, reason and body of a response."""
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.pve.port, context=context, timeout=20)
        headers = {"Authorization": f"PVEAPIToken={TOKEN}=s3cret", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, "/api2/json" + path, urlencode(fields) or None, headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, answer.reason, body

    def finish(self, upid: str) -> str:
        """Wait for a task and return its exit status."""
        while True:
            status = self.call("GET", f"/nodes/phoenix/tasks/{quote(upid, safe='')}/status")
            if status["status"] == "stopped":
                return str(status["exitstatus"])

    def done(self, method: str, path: str, **fields: Any) -> str:
        """Return the exit status of the task that a request starts."""
        return self.finish(self.call(method, path, **fields))


def make(directory: Path, server: type[LabPve] = LabPve) -> LabPve:
    """Return a server with a fake guest runtime and packet filter."""
    if not (directory / "api.crt").exists():
        make_cert(str(directory), "api", hosts=("127.0.0.1",))
        certificate = next(p for p in directory.iterdir() if p.suffix in (".crt", ".pem"))
        certificate.rename(directory / "api.crt")
        next(p for p in directory.iterdir() if p.suffix == ".key").rename(directory / "api.key")
        (directory / "api.json").write_text(json.dumps({"root_password": "r00t", "token_secret": "s3cret"}))
    pve = server(directory, "127.0.0.1", 0)
    pve.runtime, pve.filter = cast("Any", FakeRuntime()), cast("Any", FakeFilter())
    pve.time_scale = 0.001
    pve.resolver = directory / "resolv.conf"
    pve.resolver.write_text("nameserver 10.0.0.53\n")
    pve.firewall_files = FirewallFiles(NODE, directory / "etc-pve")
    return pve


@contextlib.contextmanager
def serving(pve: LabPve) -> Iterator[Client]:
    """Run a server in a thread and yield a client of it."""
    loop = asyncio.new_event_loop()
    cast("Any", pve).loop = loop
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    certificate = (str(pve.directory / name) for name in ("api.crt", "api.key"))
    asyncio.run_coroutine_threadsafe(pve.start(*certificate), loop).result(20)
    try:
        yield Client(pve)
    finally:
        asyncio.run_coroutine_threadsafe(pve.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
