"""The cluster's list of resources: what pvestatd last reported of each guest, beside what the files say at once.

Source: pve-manager, PVE/API2Tools.pm `extract_vm_stats`, and PVE/Service/pvestatd.pm.
Recorded: facts `resources-lag` and `resources-without-pvestatd`.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from aiohttp import web

from phoenix.lab.pve.fake import USER
from phoenix.lab.pve.model.base import PveModel

_CURRENT = ("id", "type", "vmid", "node", "tags", "lock", "pool")
"""Fields from the list of guests and their files, which are right at once."""
_NOT_IN_8 = re.compile(r"memhost|pressure\w+")
"""Figures that came with Proxmox VE 9."""


class Statistics(PveModel):
    """``GET /cluster/resources``, and the figures of ``GET /nodes``."""

    statistics_interval: float
    """Seconds (of time_scale) between two reports: the list is late by up to as much."""
    statistics_off: Path
    """While this file exists, pvestatd does not report, and guests have neither name nor status."""
    reported: dict[str, dict[str, Any]]

    @property
    def reporting(self) -> bool:
        """Whether pvestatd reports."""
        return not self.statistics_off.exists()

    def report_statistics(self) -> None:
        """Report every guest's state, as pvestatd does."""
        entries = [*self._vm_resources(), *self.ct_resources("root@pam")]
        self.reported = {entry["id"]: entry for entry in entries} if self.reporting else {}

    async def report_periodically(self) -> None:
        """Report once per interval, until cancelled."""
        while True:
            self.report_statistics()
            await asyncio.sleep(self.statistics_interval * self.time_scale)

    async def _resources(self, request: web.Request) -> web.Response:
        kind = request.query.get("type")
        guests = [self._resource(entry) for entry in (*self._vm_resources(), *self.ct_resources(request[USER]))]
        listed = [entry for entry in guests if self.allowed(request[USER], f"/vms/{entry['vmid']}", "VM.Audit")]
        if kind == "vm":
            return web.json_response({"data": listed})
        others = await self._other_resources(request)
        return web.json_response({"data": [*(listed if kind is None else []), *others]})

    def _resource(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return a guest as it was reported; one that was never reported has no more than its place and tags."""
        current = {key: entry[key] for key in _CURRENT if key in entry}
        if not self.reporting or entry["id"] not in self.reported:
            return {**current, "status": "unknown"}
        reported = self.reported[entry["id"]]
        return {**{key: value for key, value in reported.items() if key not in _CURRENT}, **current}

    def _vm_resources(self) -> list[dict[str, Any]]:
        return [self._vm_resource(vm) for vm in self.vms]

    def _vm_resource(self, vm: Any) -> dict[str, Any]:
        entry = {"id": vm.guest, "type": "qemu", "node": vm.node, "name": vm.name, "vmid": vm.vmid}
        tags, lock = vm.config.get("tags"), vm.config.get("lock")
        return {
            **entry,
            **_of_8(self._vm_usage(vm)),
            "status": vm.status,
            "template": 1 if vm.template else 0,
            **({"tags": tags} if tags else {}),
            **({"lock": lock} if lock else {}),
        }

    def _status(self, ct: Any) -> dict[str, Any]:
        return _of_8(super()._status(ct))

    def _complete(self, template: str, data: Any, **ids: Any) -> Any:
        completed = super()._complete(template, data, **ids)
        return [_of_8(entry) for entry in completed] if isinstance(completed, list) else _of_8(completed)

    async def _other_resources(self, request: web.Request) -> list[dict[str, Any]]:
        """Return the node and its storages, which fakepve lists."""
        response = await super()._resources(request)
        data: list[dict[str, Any]] = json.loads(response.body)["data"]
        return [entry for entry in data if entry["type"] not in ("qemu", "lxc")]


def _of_8(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in figures.items() if not _NOT_IN_8.fullmatch(key)}
