"""The seam between model and reality: every task of a guest is carried out for real here.

fakepve's own code runs first and decides (checks, locks, wording); then the guest follows. A guest's status in
the model is what really runs, never what was asked for.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from phoenix.lab.pve.command import CommandFailed
from phoenix.lab.pve.fake import TaskError
from phoenix.lab.pve.guests.rootfs import Rootfs
from phoenix.lab.pve.guests.spec import SpecError
from phoenix.lab.pve.model.base import PveModel
from phoenix.lab.pve.model.config_changes import normalize

_CREATIONS = ("vzcreate", "qmcreate")
_CLONES = ("vzclone", "qmclone")


class GuestTasks(PveModel):
    """Tasks that really happen: see the module."""

    async def task(  # noqa: PLR0917 - fakepve's signature
        self,
        node: str,
        ttype: str,
        tid: object,
        user: str,
        body: Callable[[], Awaitable[str | None]],
        vm: Any = None,
        lock: bool = True,  # noqa: FBT001, FBT002 - fakepve's signature
        log: tuple[str, ...] | list[str] = (),
    ) -> str:
        """Start a task whose body is carried out for real; whatever goes wrong ends the task with its reason."""

        async def really() -> str | None:
            try:
                return await self._carry_out(ttype, tid, vm, body)
            except TaskError:
                raise
            except (CommandFailed, SpecError) as error:
                raise TaskError(str(error)) from error
            except Exception as error:
                logging.getLogger("lab.pve").exception("task %s %s failed unexpectedly", ttype, tid)
                raise TaskError(f"{type(error).__name__}: {error}") from error
            finally:
                asyncio.get_running_loop().call_soon(self.save)

        upid: str = await super().task(node, ttype, tid, user, really, vm=vm, lock=lock, log=log)
        return upid

    async def _carry_out(
        self, ttype: str, tid: object, guest: Any, body: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        before = guest.status if guest is not None else ""
        note = await body()
        if guest is None:
            return note
        if self.guest(guest.vmid) is not guest:
            await asyncio.to_thread(self.real.destroy, self.spec(guest))
            self._fw()["guests"].pop(guest.vmid, None)
            self.filter.wake()
            return note
        wanted, guest.status = guest.status, before
        if ttype in _CREATIONS + _CLONES:
            await self._create(guest, self.guest(int(str(tid))) if ttype in _CLONES else None)
        await self._reach(guest, wanted)
        return note

    async def _create(self, guest: Any, original: Any) -> None:
        """Make the files of a new guest; a failure leaves nothing of it behind."""
        source = Rootfs(original.vmid, self.spec(original).unprivileged) if original else None
        locked = [guest, original] if original and self.kind(guest) == "lxc" else [guest]
        for one in locked:
            _lock(one, "create" if one is guest else "disk")
        try:
            spec, keys = self.spec(guest), self.root_keys.pop(guest.vmid, "")
            await asyncio.to_thread(self.real.create, spec, root_keys=keys, original=source)
            normalize(guest.config)
            self._fw()["guests"].pop(guest.vmid, None)  # a stale file must not await a new guest
        except BaseException:
            self.cts[:] = [ct for ct in self.cts if ct is not guest]
            self.vms[:] = [vm for vm in self.vms if vm is not guest]
            await asyncio.to_thread(Rootfs(guest.vmid, unprivileged=False).remove)
            raise
        finally:
            for one in locked:
                _lock(one, None)

    async def _reach(self, guest: Any, wanted: str) -> None:
        """Start or stop the guest until it is as wanted."""
        try:
            alive = await asyncio.to_thread(self.real.alive, guest.vmid)
            if wanted == "running" and not alive:
                await self.filter.apply()  # rules name the bridge, so they can be there before it is
                await asyncio.to_thread(self.real.start, self.spec(guest))
            elif wanted == "stopped":
                await asyncio.to_thread(self.real.stop, guest.vmid)
        finally:
            self.see(guest, running=await asyncio.to_thread(self.real.alive, guest.vmid))

    async def _ct_powerdown(self, ct: Any, timeout: int, force: object) -> None:  # noqa: ASYNC109 - fakepve's signature
        await self._power_off(ct, timeout, force, "container did not stop")

    async def _powerdown(self, vm: Any, p: dict[str, Any]) -> str | None:
        timeout = int(p.get("timeout") or self.shutdown_default_timeout)
        force = str(p.get("forceStop", "0")) in ("1", "true")
        await self._power_off(vm, timeout, force, "VM quit/powerdown failed - got timeout")
        return None

    async def _power_off(self, guest: Any, patience: int, force: object, complaint: str) -> None:
        if not await asyncio.to_thread(self.real.shutdown, guest.vmid, patience):
            if not force:
                raise TaskError(complaint)
            await asyncio.to_thread(self.real.stop, guest.vmid)
        self.see(guest, running=False)


def _lock(guest: Any, lock: str | None) -> None:
    guest.lock = lock
    if lock:
        guest.config["lock"] = lock
    else:
        guest.config.pop("lock", None)
