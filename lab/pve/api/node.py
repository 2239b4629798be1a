"""Endpoints about the node and its VMs' disks: status, resolver, interfaces, resize, cloud-init."""

import asyncio
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from phoenix.lab.pve.fake import PveError
from phoenix.lab.pve.model.base import PveModel
from phoenix.lab.pve.model.sizes import format_size, size_after_resize
from phoenix.lab.pve.role import NODE


class NodeEndpoints(PveModel):
    """Answers with the node's real values where fakepve has samples."""

    fingerprint: str
    resolver: Path
    reporting: bool

    def _routes_lab(self) -> list[tuple[str, str, Any]]:
        node = "/nodes/{node}"
        return [
            ("GET", f"{node}/status", self._node_status),
            ("GET", f"{node}/dns", self._dns_get),
            ("PUT", f"{node}/dns", self._dns_put),
            ("PUT", f"{node}/qemu/{{vmid}}/resize", self._vm_resize),
            ("PUT", f"{node}/qemu/{{vmid}}/cloudinit", self._vm_cloudinit),
        ]

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"data": {"version": self.version, "release": self.release_version, "repoid": "phoenix-lab"}}
        )

    async def _nodes(self, _request: web.Request) -> web.Response:
        entry = {
            "id": f"node/{NODE}",
            "node": NODE,
            "ssl_fingerprint": self.fingerprint,
            "status": "online",
            "type": "node",
        }
        return web.json_response(
            {"data": [{**entry, **({"level": "", **self._node_stats()} if self.reporting else {})}]}
        )

    def _node_stats(self, _online: object = None) -> dict[str, Any]:
        memory, disk, cpus = _memory(), shutil.disk_usage("/"), os.cpu_count() or 1
        return {
            "cpu": min(1.0, os.getloadavg()[0] / cpus),
            "disk": disk.used,
            "maxcpu": cpus,
            "maxdisk": disk.total,
            "maxmem": memory["total"],
            "mem": memory["used"],
            "uptime": _uptime(),
        }

    async def _node_status(self, _values: dict[str, Any], _user: str) -> dict[str, Any]:
        disk, load = shutil.disk_usage("/"), os.getloadavg()
        kernel = os.uname()
        return {
            "cpu": self._node_stats()["cpu"],
            "cpuinfo": {"cpus": os.cpu_count(), "model": "lab", "sockets": 1},
            "kversion": f"{kernel.sysname} {kernel.release} {kernel.version}",
            "loadavg": [f"{value:.2f}" for value in load],
            "memory": _memory(),
            "pveversion": f"pve-manager/{self.version}/phoenix-lab",
            "rootfs": {"avail": disk.free, "free": disk.free, "total": disk.total, "used": disk.used},
            "uptime": _uptime(),
        }

    async def _dns_get(self, _values: dict[str, Any], _user: str) -> dict[str, str]:
        text = await asyncio.to_thread(self.resolver.read_text)
        search = re.search(r"^(?:search|domain)\s+(\S+)", text, re.MULTILINE)
        servers = re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE)[:3]
        numbered = {f"dns{number}": server for number, server in enumerate(servers, 1)}
        return {"search": search[1], **numbered} if search else numbered

    async def _dns_put(self, values: dict[str, Any], _user: str) -> None:
        """Replace the search domain and all servers; keep the file's other lines."""
        present = await asyncio.to_thread(self.resolver.read_text)
        kept = [line for line in present.splitlines() if not re.match(r"(search|domain|nameserver)\s", line)]
        servers = dict.fromkeys(values[key] for key in ("dns1", "dns2", "dns3") if values.get(key))
        lines = [f"search {values['search']}", *(f"nameserver {server}" for server in servers), *kept]
        draft = self.resolver.with_suffix(".pve")
        draft.write_text("\n".join(lines) + "\n")
        draft.replace(self.resolver)

    async def _lxc_interfaces(self, _user: str, v: dict[str, Any]) -> list[dict[str, Any]] | None:
        ct = self._find_ct(v["node"], v["vmid"])
        if ct.status != "running":
            return None
        return [_interface(link) for link in await asyncio.to_thread(self.runtime.interfaces, ct.vmid)]

    async def _vm_resize(self, values: dict[str, Any], user: str) -> str:
        vm = self.find(values["node"], values["vmid"])
        disk = values["disk"]
        self.require(user, f"/vms/{vm.vmid}", "VM.Config.Disk")
        self._check_lock(vm)
        if disk not in vm.config:
            raise PveError(500, f"disk '{disk}' does not exist")

        async def body() -> None:
            volume, _, options = str(vm.config[disk]).partition(",")
            present = next((o[5:] for o in options.split(",") if o.startswith("size=")), "0")
            size = size_after_resize(present, values["size"])
            kept = [o for o in options.split(",") if o and not o.startswith("size=")]
            vm.config[disk] = ",".join([volume, *kept, f"size={format_size(size)}"])
            record = self._qm_volume(volume)
            if record is not None:
                record["size"] = size

        upid: str = await self.task(vm.node, "resize", vm.vmid, user, body, vm=vm)
        return upid

    async def _vm_cloudinit(self, values: dict[str, Any], _user: str) -> None:
        """Regenerate the cloud-init drive, which the guest reads at its next start."""
        self.cloud_init[self.find(values["node"], values["vmid"]).vmid].on_drive = {}

    async def _config_get(self, request: web.Request) -> web.Response:
        vm = self._vm(request, "VM.Audit")
        config = dict(vm.config)
        if request.query.get("current") not in ("1", "true", "on", "yes"):
            config.update(vm.pending)
        config = {key: value for key, value in config.items() if value is not None}
        if "memory" in config:
            config["memory"] = str(config["memory"])
        return web.json_response({"data": {**config, "digest": vm.digest()}})


def _memory() -> dict[str, int]:
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE))
    total, free = int(fields["MemTotal"]) * 1024, int(fields["MemAvailable"]) * 1024
    return {"free": free, "total": total, "used": total - free}


def _uptime() -> int:
    ticks = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def _interface(link: dict[str, Any]) -> dict[str, Any]:
    """Convert a link from ``ip -json``'s format to the API's."""
    interface = {"name": link["ifname"], "hwaddr": link.get("address", "")}
    for address in link["addr_info"]:
        interface.setdefault(address["family"], f"{address['local']}/{address['prefixlen']}")
    return interface
