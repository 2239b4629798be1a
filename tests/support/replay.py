"""Repeats recorded requests at the lab's API server and compares the answers."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote

from phoenix.lab.pve.api.server import LabPve
from phoenix.lab.pve.fake import FakeCt, FakeVm
from phoenix.lab.pve.role import NODE
from tests.support.compare_answers import differences
from tests.support.lab_pve import Client, FakeRuntime
from tests.support.recorded_situation import RecordedGuest, Situation
from tests.support.recordings import Exchange

IMAGE_SIZE = 1800 * 1024**2
"""The size in bytes of the disk in the recorded cloud image."""
_PREFIX = re.compile(r"unable to create (?:CT|VM) \d+ - ")
_UPID = re.compile(r"UPID:[^/]+")
_IMMEDIATE = ("vztemplate",)
_LIMIT = 10.0
"""Seconds that a task may take once it may end."""


class ReplayPve(LabPve):
    """A server whose tasks end when the replay lets them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gates: dict[str, asyncio.Event] = {}

    async def task(self, node: str, ttype: str, tid: object, user: str, body: Any, **rest: Any) -> str:  # type: ignore[override]
        """Start a task whose body waits for its gate."""
        gate = asyncio.Event()
        if ttype in _IMMEDIATE:
            gate.set()

        async def gated() -> str | None:
            await gate.wait()
            return cast("str | None", await body())

        upid = await super().task(node, ttype, tid, user, gated, **rest)
        if ttype not in _IMMEDIATE:
            self.gates[upid] = gate
        return upid

    def _agent_answers(self, vm: Any) -> bool:
        return bool(vm.status == "running")


class Replay:
    """One recorded run, repeated at a server whose model is in the recorded situation."""

    def __init__(self, pve: ReplayPve, client: Client, situation: Situation) -> None:
        self._pve, self._client = pve, client
        self._upids: dict[str, str] = {}
        arrange(pve, situation)

    def repeat(self, exchange: Exchange) -> Iterator[str]:
        """Send a request and yield what differs from the recorded answer."""
        if exchange.method != "GET" and exchange.status == 200:
            self._finish_tasks_of(exchange)
        path = _UPID.sub(lambda match: self._own(match[0], exchange), exchange.path)
        self._edit_outside(exchange)
        if "/agent/file-read" in exchange.place:
            cast("FakeRuntime", self._pve.runtime).output = exchange.data["content"].encode()
        status, reason, body = self._client.send(exchange.method, path, exchange.fields)
        if (status, reason) != (exchange.status, exchange.reason):
            yield f"{status} {reason} instead of {exchange.status} {exchange.reason}"
            return
        data = body["data"]
        if isinstance(data, str) and data.startswith("UPID:"):
            self._upids[exchange.data] = data
        yield from differences(exchange, body)

    def finish(self) -> None:
        """Let all tasks end."""
        for upid in list(self._pve.gates):
            self._end(upid)

    def _own(self, recorded: str, exchange: Exchange) -> str:
        own = self._upids[recorded]
        if exchange.data["status"] == "stopped":
            if exchange.data["exitstatus"] != "OK":
                reason = _PREFIX.sub("", exchange.data["exitstatus"])
                cast("FakeRuntime", self._pve.runtime).refuses[int(exchange.data["id"])] = reason
            self._end(own)
        return quote(own, safe="")

    def _edit_outside(self, exchange: Exchange) -> None:
        """Do what the product did on the node itself: bind mounts; and what pvestatd did: report."""
        self._pve.report_statistics()
        match = re.fullmatch(r"/nodes/phoenix/lxc/(\d+)/(config|pending)", exchange.place)
        if match and exchange.method == "GET":
            data = exchange.data
            config = data if isinstance(data, dict) else {entry["key"]: entry.get("value") for entry in data}
            mounts = {key: value for key, value in config.items() if key.startswith("mp") and value.startswith("/")}
            self._pve.ct(int(match[1])).config.update(mounts)

    def _finish_tasks_of(self, exchange: Exchange) -> None:
        """End the tasks of a guest that a successful write concerns: the recordings lack some polls."""
        for upid in list(self._pve.gates):
            if f"/{upid.split(':')[6]}" in exchange.place:
                self._end(upid)

    def _end(self, upid: str) -> None:
        gate = self._pve.gates.pop(upid, None)
        if gate is not None:
            cast("Any", self._pve).loop.call_soon_threadsafe(gate.set)
        limit = time.monotonic() + _LIMIT
        while self._pve.tasks[upid]["status"] != "stopped":
            assert time.monotonic() < limit, f"{upid} does not end"
            time.sleep(0.001)


def arrange(pve: LabPve, situation: Situation) -> None:
    """Set a model to a recorded situation."""
    runtime = cast("FakeRuntime", pve.runtime)
    for name, content in situation.storages.items():
        files = pve.storages[name]["volumes"] if name == "local" else {}
        store = {"type": "dir", "active": 1, "content": content, "files": set(), "path": f"/{name}", "total": 1}
        pve.storages[name] = {**store, "volumes": {key: files[key] for key in files if key in situation.files}}
    for image in pve.storages["local"]["volumes"].values():
        image["size"] = IMAGE_SIZE
    lines = [f"search {value}" if key == "search" else f"nameserver {value}" for key, value in situation.dns.items()]
    pve.resolver.write_text("".join(f"{line}\n" for line in lines))
    if not situation.reporting:
        pve.statistics_off.touch()
    for guest in situation.guests.values():
        (pve.cts if guest.kind == "lxc" else pve.vms).append(_guest(guest))
        if guest.status == "running":
            runtime.pids[guest.vmid] = 4711
    for made in pve.all_guests():
        pve.update_status(made, running=made.vmid in runtime.pids)
    firewall = pve._fw()
    for base, level in situation.levels.items():
        last = base.rpartition("/")[2]
        if base == "/cluster":
            firewall["cluster"] = _level(level)
        elif last == NODE:
            firewall["nodes"][NODE] = _level(level)
        else:
            firewall["guests"][int(last)] = _level(level)


def _guest(guest: RecordedGuest) -> Any:
    if guest.kind == "lxc":
        return FakeCt(guest.vmid, node=NODE, config=guest.config, pending=guest.pending, defaults=False)
    vm = FakeVm(guest.vmid, guest.config["name"], node=NODE, config=guest.config, pending=guest.pending)
    vm.template = bool(guest.config.get("template"))
    return vm


def _level(level: Mapping[str, Any]) -> dict[str, Any]:
    comments = {name: text for name, text in level["comments"].items() if text}
    return {
        **{key: level[key] for key in ("options", "rules", "aliases", "ipset", "groups")},
        "ipset_comments": {name: comments[name] for name in comments if name in level["ipset"]},
        "group_comments": {name: comments[name] for name in comments if name in level["groups"]},
    }
