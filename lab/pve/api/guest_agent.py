"""The endpoints of the QEMU guest agent: they run commands and read and write files in the guest itself."""

import asyncio
import base64
import binascii
from pathlib import Path
from typing import Any

from phoenix.lab.pve.command import CommandError, CommandResult
from phoenix.lab.pve.fake import PveError
from phoenix.lab.pve.model.base import PveModel

_AGENT_TIMEOUT, _POLL_INTERVAL = 3.0, 0.05  # seconds
_MAX_CONTENT = 16 * 1024 * 1024
_WRITE = 'umask 022; cat >"$1"'


class GuestAgent(PveModel):
    """The ``agent/…`` endpoints."""

    executions: dict[tuple[int, int], dict[str, Any]]
    background: set[asyncio.Task[None]]

    async def _agent_call(self, match: Any, values: dict[str, Any]) -> Any:
        command = match.template.rsplit("/", 1)[1]
        vm = self.find(values["node"], values["vmid"])
        if not await self._agent_comes_up(vm):
            raise PveError(500, "QEMU guest agent is not running")
        handler = getattr(self, "_agent_" + command.replace("-", "_"))
        return await handler(vm, values)

    async def _agent_comes_up(self, vm: Any) -> bool:
        """Whether the agent answers within _AGENT_TIMEOUT, the time that Proxmox gives a real one."""
        for _ in range(round(_AGENT_TIMEOUT / _POLL_INTERVAL)):
            if await asyncio.to_thread(self._agent_answers, vm):
                return True
            await asyncio.sleep(_POLL_INTERVAL)
        return False

    def _agent_answers(self, vm: Any) -> bool:
        if vm.status != "running" or not self.spec(vm).agent or not self.runtime.alive(vm.vmid):
            return False
        return Path(f"/proc/{self.runtime.pids[vm.vmid]}/root/run/lab-guest-agent").exists()

    async def _agent_ping(self, _vm: Any, _values: dict[str, Any]) -> Any:
        return {"result": {}}

    async def _agent_get_host_name(self, vm: Any, _values: dict[str, Any]) -> Any:
        return {"result": {"host-name": (await self._inside(vm, "hostname")).out.decode().strip()}}

    async def _agent_network_get_interfaces(self, vm: Any, _values: dict[str, Any]) -> Any:
        links = await asyncio.to_thread(self.runtime.interfaces, vm.vmid)
        return {"result": [_interface(link) for link in links]}

    async def _agent_exec(self, vm: Any, values: dict[str, Any]) -> Any:
        argv = values["command"] if isinstance(values["command"], list) else [values["command"]]
        vm.agent_pid += 1
        status: dict[str, Any] = {"exited": 0}
        self.executions[vm.vmid, vm.agent_pid] = status
        feed = str(values.get("input-data") or "").encode()

        async def run() -> None:
            try:
                status.update(_outcome(await asyncio.to_thread(self.runtime.execute, vm.vmid, argv, feed)))
            except CommandError as error:
                status.update({"exited": 1, "exitcode": 255, "err-data": str(error)})

        job = asyncio.create_task(run())
        self.background.add(job)
        job.add_done_callback(self.background.discard)
        return {"pid": vm.agent_pid}

    async def _agent_exec_status(self, vm: Any, values: dict[str, Any]) -> Any:
        status = self.executions.get((vm.vmid, int(values["pid"])))
        if status is None:
            raise PveError(500, f"Agent error: PID {values['pid']} does not exist")
        return dict(status)

    async def _agent_file_read(self, vm: Any, values: dict[str, Any]) -> Any:
        content = (await self._inside(vm, "cat", "--", values["file"])).out
        head = content[:_MAX_CONTENT]
        answer = {"bytes-read": len(head), "content": head.decode("latin-1")}
        return {**answer, "truncated": 1} if len(content) > _MAX_CONTENT else answer

    async def _agent_file_write(self, vm: Any, values: dict[str, Any]) -> None:
        content = values["content"].encode()
        if values.get("encode") in (0, False):
            try:
                content = base64.b64decode(content, validate=True)
            except binascii.Error as error:
                raise PveError(500, f"Agent error: Invalid base64: {error}") from error
        await self._inside(vm, "sh", "-c", _WRITE, "write", values["file"], feed=content)

    async def _inside(self, vm: Any, *argv: str, feed: bytes = b"") -> CommandResult:
        done = await asyncio.to_thread(self.runtime.execute, vm.vmid, list(argv), feed, 60)
        if done.code:
            raise PveError(500, f"Agent error: {done.err.decode(errors='replace').strip() or done.code}")
        return done


def _outcome(done: CommandResult) -> dict[str, Any]:
    status: dict[str, Any] = {"exited": 1, "exitcode": done.code}
    for name, data in (("out", done.out), ("err", done.err)):
        if data:
            status[f"{name}-data"] = data[:_MAX_CONTENT].decode(errors="replace")
        if len(data) > _MAX_CONTENT:
            status[f"{name}-truncated"] = 1
    return status


def _interface(link: dict[str, Any]) -> dict[str, Any]:
    """Convert a link from ``ip -json``'s format to the agent's."""
    families = {"inet": "ipv4", "inet6": "ipv6"}
    addresses = [
        {"ip-address": a["local"], "ip-address-type": families[a["family"]], "prefix": a["prefixlen"]}
        for a in link["addr_info"]
    ]
    return {"name": link["ifname"], "hardware-address": link.get("address", ""), "ip-addresses": addresses}
