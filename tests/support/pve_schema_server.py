"""A fake Proxmox API in a thread, and checks of requests against the schemas that Proxmox publishes."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from fakepve import FakePve, certs, schema  # type: ignore[import-untyped]  # it ships no types
from fakepve.server import settle  # type: ignore[import-untyped]  # the same
from pydantic import SecretStr

from phoenix.connections.access import ApiAccess
from phoenix.connections.proxmox import ProxmoxClient
from phoenix.lab.pve.model.storages import storages
from tests.support.places import ROOT

TOKEN, SECRET = "phoenix@pve!deploy", "11111111-2222-3333-4444-555555555555"
ORACLES = ROOT.parent / "shared" / "oracles"
OLDER = ("pve-8.4.trim.json.gz", "pve-9.1.3.trim.json.gz")


class Server:
    """Runs fakepve on its own event loop."""

    def __init__(self, folder: Path, presented: tuple[str, str] | None = None) -> None:
        certificate, key, der = certs.make_cert(str(folder))
        self.fingerprint = ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())
        self.pve: Any = FakePve(host="127.0.0.1", port=0)
        self.pve.time_scale = 0.0
        self.pve.nodes = {"phoenix": {"online": True}}
        self.pve.storages = storages()
        self.pve.apitokens = {TOKEN: SECRET}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.call(self.pve.start(*(presented or (certificate, key))))

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the server's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def access(self, **other: str | None) -> ApiAccess:
        """Return the access to it; `other` replaces or removes fields."""
        fields: dict[str, Any] = {
            "url": self.pve.url,
            "fingerprint": self.fingerprint,
            "token_id": TOKEN,
            "token_secret": SECRET,
            **other,
        }
        return ApiAccess(**{**fields, "token_secret": SecretStr(fields["token_secret"])})

    async def _drop(self) -> None:
        """Abort connections that clients have not closed."""
        for transport in list(self.loop._transports.values()):  # type: ignore[attr-defined]  # the loop has no public list
            transport.abort()
        await asyncio.sleep(0.02)

    def stop(self) -> None:
        """Stop the server and its thread."""
        self.call(settle())
        self.call(self.pve.stop())
        self.call(self._drop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


class Recorder(ProxmoxClient):
    """A client that records its requests."""

    def __init__(self, access: ApiAccess, name: str) -> None:
        super().__init__(access, name)
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def _call(self, method: str, path: str, parameters: dict[str, Any]) -> Any:
        fields = {key.replace("__", "-"): value for key, value in parameters.items()}
        self.sent.append((method.upper(), f"/{path}", fields))
        return super()._call(method, path, parameters)

    @property
    def writes(self) -> list[tuple[str, str, dict[str, Any]]]:
        """The recorded requests that are not GET."""
        return [request for request in self.sent if request[0] != "GET"]


def specification(name: str) -> Any:
    """Return the API schema of a release, or the newest."""
    if name == "newest":
        return schema.load()
    with gzip.open(ORACLES / name) as file:
        return schema.Schema(json.load(file)["paths"])


def complaints(spec: Any, method: str, path: str, fields: dict[str, Any]) -> list[str]:
    """Return the errors of a request by an API schema."""
    if "/firewall/ipset/" in path and method == "DELETE":
        path = path.rpartition("/")[0] + "/x" if path.count("/") == 5 else path
        path = "/cluster/firewall/ipset/" + path.split("/")[4] + "/10.0.0.1"
    match = spec.match(path)
    if not match:
        return [f"no such path: {path}"]
    if method not in match.methods:
        return [f"501 {method} {path}"]
    _, errors = schema.validate(match.methods[method].get("parameters"), {**match.params, **fields})
    return [f"{method} {path}: {name}: {text}" for name, text in errors.items()]
